"""S-KNN: items of the training sessions that share most items with the session.

Paper: Jannach and Ludewig, When Recurrent Neural Networks meet the Neighborhood for Session-Based Recommendation,
RecSys 2017. Code of one of the authors: github.com/rn5l/session-rec. With s the items of the session, n those of a
training session, both as sets:

    similarity(s, n) = |s and n| / sqrt(|s| |n|)                       (cosine)
    score(j)         = sum, over the neighbours n that contain j, of similarity(s, n)

See `_neighbours.py` for candidates and neighbours. Deviations from session-rec: its cosine multiplies by
sqrt(|s|) instead of dividing, which does not change the order of items. It breaks ties between neighbours in the order
of a set, here the newer session wins. Its other similarities (Jaccard is its default) are left out: all settings that
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
from hiersrec.types import Float64


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of S-KNN."""

    k: Annotated[int, Ge(1)] = 100
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 1000
    """Candidates: the newest training sessions that share an item with the session."""


def fit(config: Config, data: TrainingData) -> near.KnnScorer:
    """Index the training sessions by item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> near.KnnScorer:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)

    def answer(session: near.Distinct) -> Float64:
        candidates = index.candidates(session, np.ones(len(session.items)))
        # The square of the cosine: a quotient of integers, so that equal ones are equal.
        squares = candidates.weight**2 / (len(session.items) * index.sizes[candidates.sessions])
        kept = near.most_similar(squares, config.k)
        items, _, owner = index.held(candidates.sessions[kept])
        return index.sum_up(items, np.sqrt(squares[kept])[owner])

    return near.KnnScorer(index, answer)
