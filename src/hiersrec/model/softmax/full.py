"""Softmax over the whole catalogue (paper, eq. 6): exact, and each step goes through the vectors of all items."""

from collections.abc import Iterable

from torch import Tensor, nn

from hiersrec import registry
from hiersrec.model.heads import Head
from hiersrec.model.losses import cross_entropy
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import soft_loss
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import SOFT_TARGETS, Config
from hiersrec.store.catalog import Catalog


def build(config: Config, catalog: Catalog) -> "Full":
    """With the soft targets that the settings turn on."""
    members = {name: registry.load(SOFT_TARGETS, name) for name in config.soft_targets}
    made = (member.build(config.soft_targets[name], catalog) for name, member in members.items())
    return Full(module for module in made if module is not None)


class Full(nn.Module):
    """Softmax of the head's products with all items. soft_targets: SoftTargets; each adds to the loss."""

    partial = False

    def __init__(self, soft_targets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.soft_targets = nn.ModuleList(soft_targets)

    def loss(self, head: Head, state: Tensor, targets: Targets, sparse: SparseScores | None) -> Tensor:
        """Eq. 6 for the next items and the soft targets -> scalar."""
        query, vectors, biases = head.query(state), head.vectors(), head.biases()
        loss = cross_entropy(query, vectors, biases, targets.items - 1, sparse)
        for soft_target in self.soft_targets:
            expected = soft_target(targets, vectors, biases, sparse)
            if expected is not None:
                loss = loss + soft_loss(expected, targets, query, vectors, biases, sparse)
        return loss
