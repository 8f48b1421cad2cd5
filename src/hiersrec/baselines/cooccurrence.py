"""Co-occurrence: items that were near the session's items in training sessions.

    near(i, j) = itself * [i = j]
                 + 1 / count(i) * sum, over all pairs of positions of i and j in one training session that are at most
                   `window` apart, of 1 / (1 + distance), in both directions
    score(j)   = sum, over the newest `window` items of the session, of near(item, j) / place    (place 1 is the newest)

count(i) is the number of interactions of i in training. Such item-to-item counts are older than any model here and hard
to beat: many people come back to an item that they have just seen, which `itself` models. The weights by distance and
place mostly break ties between small counts.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from scipy import sparse

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.store.item_pairs import item_pairs
from hiersrec.types import Batch, Float32, Scores


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of item co-occurrence."""

    window: Annotated[int, Ge(1)] = 20
    """Greatest distance of two positions that count as near; also the number of newest session items used."""
    itself: Annotated[float, Ge(0)] = 1.0
    """How near an item is to itself; 0 is plain co-occurrence, which rarely lists items already seen."""


@dataclass(frozen=True)
class Cooccurrence:
    """near: (N + 1, N + 1) sparse float32."""

    near: sparse.csr_array
    max_length: int

    def score(self, batch: Batch) -> Scores:
        rows, positions = np.nonzero(batch.is_item)
        weights = (1 / (batch.lengths[rows] - positions)).astype(np.float32)
        shape = (len(batch), self.near.shape[0])
        sessions = sparse.csr_array((weights, (rows, batch.items[rows, positions])), shape=shape)
        items: Float32 = (sessions @ self.near).toarray()
        items[:, 0] = -np.inf
        return Scores(items, {})

    def state(self) -> dict[str, np.ndarray]:
        return {"values": self.near.data, "columns": self.near.indices, "starts": self.near.indptr}


def fit(config: Config, data: TrainingData) -> Cooccurrence:
    """Count the pairs of the training sessions, distance by distance."""
    size = data.catalog.num_items + 1
    pairs = item_pairs(data.train, data.catalog.num_items, config.window, lambda distance: 1 / (1 + distance))
    of_item = 1 / np.maximum(data.catalog.train_count, 1)
    near = sparse.diags_array(of_item) @ pairs + config.itself * sparse.eye_array(size)
    near = sparse.csr_array(near, dtype=np.float32)
    near.sort_indices()
    return Cooccurrence(near, config.window)


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Cooccurrence:
    """The scorer of a saved state."""
    size = catalog.num_items + 1
    near = sparse.csr_array((state["values"], state["columns"], state["starts"]), shape=(size, size))
    return Cooccurrence(near, config.window)
