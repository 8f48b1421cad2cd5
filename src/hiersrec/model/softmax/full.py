"""Softmax over the whole catalogue (paper, eq. 6): exact, and each step goes through the vectors of all items."""

import numpy as np
from torch import Tensor, nn

from hiersrec.model.distillation import distilled
from hiersrec.model.heads import Head
from hiersrec.model.losses import cross_entropy
from hiersrec.model.repeats import Addends
from hiersrec.model.smoothing import Smoothing
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config
from hiersrec.store.catalog import Catalog


def build(config: Config, catalog: Catalog) -> "Full":
    """It has no weights. Labels are smoothed inside the finest categories, where the catalogue has any."""
    if not (config.smoothing and catalog.levels):
        return Full(None)
    return Full(Smoothing(config.smoothing, catalog.item_nodes[1:, -1].astype(np.int64)))


class Full(nn.Module):
    """Softmax of the head's products with all items."""

    partial = False

    def __init__(self, smoothing: Smoothing | None) -> None:
        super().__init__()
        self.smoothing = smoothing

    def loss(self, head: Head, state: Tensor, targets: Targets, addends: Addends | None = None) -> Tensor:
        """Eq. 6 for the next items, some scores having addends, with labels that are shared out -> scalar."""
        query, vectors, biases, items = head.query(state), head.vectors(), head.biases(), targets.items
        loss = cross_entropy(query, vectors, biases, items - 1, addends)
        if self.smoothing is not None:
            loss = loss + self.smoothing(query, vectors, biases, items, addends)
        if targets.taught is not None:
            loss = loss + distilled(targets.taught, query, vectors, biases, items, addends)
        return loss
