"""Popularity: every session gets the items with the most interactions in training.

    score(item) = interactions of the item in the training sessions

The weakest baseline: a model that can't beat it has learnt nothing about sessions.
"""

from dataclasses import dataclass

import numpy as np

from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float32, Scores


@dataclass(frozen=True, kw_only=True)
class Config:
    """No settings."""


@dataclass(frozen=True)
class Popularity:
    """counts: (N + 1,) float32, training interactions of each item."""

    counts: Float32
    max_length = 1

    def score(self, batch: Batch) -> Scores:
        items = np.tile(self.counts, (len(batch), 1))
        items[:, 0] = -np.inf
        return Scores(items, {})

    def state(self) -> dict[str, np.ndarray]:
        return {"counts": self.counts}


def fit(config: Config, data: TrainingData) -> Popularity:
    """Count the interactions of the training sessions."""
    return load(config, data.catalog, {"counts": data.catalog.train_count.astype(np.float32)})


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Popularity:  # noqa: ARG001 - all baselines
    """The scorer of a saved state."""
    return Popularity(state["counts"])
