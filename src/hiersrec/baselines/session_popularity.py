"""Session popularity: what the session itself holds most often, then what training holds most often.

    score(item) = times the item is in the session * (levels of popularity) + popularity level of the item

where a popularity level is the place of a count of training interactions among the distinct counts, so that only equal
counts tie. These are whole numbers, exact in float32. S-POP of Hidasi et al., Session-based Recommendations with
Recurrent Neural Networks, ICLR 2016, arxiv.org/abs/1511.06939, which breaks ties by global popularity too. It knows no
item before the session does, so it tells how much a data set repeats itself.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float32, Int64, Scores

HISTORY = 100
"""Newest items of a session that are counted."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


@dataclass(frozen=True)
class SessionPopularity:
    """counts: (N + 1,) int64, training interactions of each item."""

    counts: Int64
    max_length = HISTORY

    def score(self, batch: Batch) -> Scores:
        """Count in the session; where it is equal, popularity in training."""
        rows, positions = np.nonzero(np.arange(batch.items.shape[1]) < batch.lengths[:, None])
        items = np.tile(self._popularity, (len(batch), 1))
        np.add.at(items, (rows, batch.items[rows, positions]), self._popularity.max() + 1)
        items[:, 0] = -np.inf
        return Scores(items, {})

    @cached_property
    def _popularity(self) -> Float32:
        """(N + 1,) float32, place of each item's count among the distinct counts, from 0."""
        return np.unique(self.counts, return_inverse=True)[1].astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which `load` makes the same scorer."""
        return {"counts": self.counts}


def fit(config: Config, data: TrainingData) -> SessionPopularity:
    """Count the interactions of the training sessions."""
    return load(config, data.catalog, {"counts": data.catalog.train_count})


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> SessionPopularity:  # noqa: ARG001
    """The scorer of a saved state."""
    return SessionPopularity(state["counts"])
