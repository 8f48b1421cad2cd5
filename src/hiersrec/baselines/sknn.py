"""S-KNN: what else was in the training sessions that share most items with the session.

Paper: Jannach and Ludewig, When Recurrent Neural Networks meet the Neighborhood for Session-Based Recommendation,
RecSys 2017. Code of one of the authors: github.com/rn5l/session-rec. With s the items of the session, n those of a
training session, both as sets:

    similarity(s, n) = |s and n| / sqrt(|s| |n|)                       (cosine)
    score(j)         = sum, over the neighbours n that hold j, of similarity(s, n)

What candidates and neighbours are says `_neighbours.py`. Deviations from session-rec: its cosine multiplies by
sqrt(|s|) instead of dividing, which leaves the order of items as it is. Its ties between neighbours fall as a sort of a
set does, here the newer session wins. Its other similarities (Jaccard is its default) are left out: all settings that
its authors found for Diginetica have the cosine.

Reported on Diginetica, HITS@20 / MRR@20 in percent: 48.46 / 17.36 on session-rec's single split, 47.48 / 17.14 on its
five windows [R, rn5l/session-rec, docs/tables_single and docs/umuai/tables_window; R: read at the source]. None was
found for the standard split.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from hiersrec.baselines import _neighbours as near
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float64, Scores


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of S-KNN."""

    k: Annotated[int, Ge(1)] = 100
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 1000
    """Candidates: the newest training sessions that share an item with the session."""


@dataclass(frozen=True)
class Sknn:
    """The training sessions, and how many of them answer."""

    index: near.Index
    config: Config
    max_length = near.HISTORY

    def score(self, batch: Batch) -> Scores:
        """Sum of the similarities of the neighbours that hold an item."""
        return near.score_each(batch, self.index.num_items, self._answer)

    def _answer(self, session: near.Distinct) -> Float64:
        found = self.index.candidates(session, np.ones(len(session.items)))
        # The square of the cosine: a quotient of whole numbers, so that equal ones are equal.
        squares = found.weight**2 / (len(session.items) * self.index.sizes[found.sessions])
        kept = near.most_similar(squares, self.config.k)
        items, _, owner = self.index.held(found.sessions[kept])
        return self.index.sum_up(items, np.sqrt(squares[kept])[owner])

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which `load` makes the same scorer."""
        return self.index.state()


def fit(config: Config, data: TrainingData) -> Sknn:
    """Look up the training sessions of each item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Sknn:
    """The scorer of a saved state."""
    return Sknn(near.load(state, catalog.num_items, config.sample), config)
