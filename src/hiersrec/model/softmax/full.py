"""Softmax over the whole catalogue (paper, eq. 6): exact, and each step goes through the vectors of all items."""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.heads import Head
from hiersrec.model.losses import cross_entropy
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import soft_loss
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, soft_targets
from hiersrec.store.catalog import Catalog


def build(config: Config, catalog: Catalog) -> "Full":
    """With the soft targets that the settings turn on."""
    return Full(soft_targets(config, catalog))


class Full(nn.Module):
    """Softmax of the head's products with all items. soft_targets: SoftTargets; each adds to the loss."""

    partial = False

    def __init__(self, soft_targets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.soft_targets = nn.ModuleList(soft_targets)

    def loss(self, head: Head, state: Tensor, targets: Targets, sparse: SparseScores | None) -> Tensor:
        """Eq. 6 for the next items and the soft targets -> scalar."""
        query, vectors, biases = head.query(state), head.vectors(), head.biases()
        loss = cross_entropy(query, vectors, biases, targets.items - 1, sparse, targets.taught)
        for soft_target in self.soft_targets:
            expected = soft_target(targets, vectors, biases, sparse)
            classes = (targets.items - 1).clamp(min=0)
            # Not vectors[classes]: on several threads the gradient of indexing adds up in no fixed order. It is sparse,
            # as it would otherwise be an array of all items, mostly zeros.
            target_vectors = functional.embedding(classes, vectors, sparse=True)
            target_biases = None if biases is None else functional.embedding(classes, biases[:, None])[:, 0]
            loss = loss + soft_loss(expected, targets, query, target_vectors, target_biases, sparse)
        return loss
