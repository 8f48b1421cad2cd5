"""Markov chain of first order: what followed the last item in training sessions."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float32, Scores


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the chain."""

    smoothing: Annotated[float, Gt(0)] = 1.0
    """Interactions that are added to those of each item, so that every item has a score."""


@dataclass(frozen=True)
class Markov:
    """follows: (N + 1, N + 1) float32, share of each item among those that followed one; row 0 is unused."""

    follows: Float32
    max_length = 1

    def score(self, batch: Batch) -> Scores:
        last = batch.items[np.arange(len(batch)), batch.lengths - 1]
        items = self.follows[last].copy()
        items[:, 0] = -np.inf
        return Scores(items, {})

    def state(self) -> dict[str, np.ndarray]:
        return {"follows": self.follows}


def fit(config: Config, data: TrainingData) -> Markov:
    """Count pairs of neighbours in the training sessions."""
    size = data.catalog.num_items + 1
    counts = np.full((size, size), config.smoothing / size, np.float64)
    session = data.train.of_events()
    together = session[:-1] == session[1:]
    np.add.at(counts, (data.train.items[:-1][together], data.train.items[1:][together]), 1)
    return Markov((counts / counts.sum(1, keepdims=True)).astype(np.float32))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Markov:
    """The scorer of a saved state."""
    del config, catalog
    return Markov(state["follows"])
