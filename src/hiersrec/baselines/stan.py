"""STAN: session kNN that minds how old items are in the session, how old a training session is, and what lay near.

Paper: Garg, Gupta, Malhotra, Vig and Shroff, Sequence and Time Aware Neighborhood for Session-based Recommendations,
SIGIR 2019. Code by others, which its published numbers come from: github.com/rn5l/session-rec. With t the length of the
session s, place_i the last place of item i in s and place_n(i) in a training session n:

    w_i              = exp((place_i - t) / lambda_spw)
    similarity(s, n) = (sum, over the items i that s and n share, of w_i) / sqrt(sum, over the items of s, of w_i^2)
                       / sqrt(distinct items of n) * exp(-age(n) / lambda_snh)
    score(j)         = sum, over the neighbours n that hold j, of
                       similarity(s, n) * exp(-|place_n(j) - place_n(i*)| / lambda_inh)

where i* is the last item of n that is also in s. What candidates and neighbours are says `_neighbours.py`.

Deviation: age. The paper has the time between s and n. When s happens is the same factor for all neighbours, so it can
be left out; and a dataset folder stores the order of its sessions, but no times. So age(n) is the share of the training
sessions that are newer than n: 0 for the newest, 1 for the oldest. A lambda_snh in days, divided by the days of the
training period, is about ours. Where the data has no order of time, give a large one. Ties between neighbours go to the
newer session.

Reported on Diginetica, HITS@20 / MRR@20 in percent: 48.00 / 18.28 on session-rec's five windows [R, rn5l/session-rec,
docs/umuai/tables_window; R: read at the source]. None was found for the standard split.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from hiersrec.baselines import _neighbours as near
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.types import Batch, Float64, Scores


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of STAN: the smaller a lambda, the faster what is far counts for nothing."""

    k: Annotated[int, Ge(1)] = 500
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 5000
    """Candidates: the newest training sessions that share an item with the session."""
    lambda_spw: Annotated[float, Gt(0)] = 1.02
    """For the session's items, in places back from its newest one."""
    lambda_snh: Annotated[float, Gt(0)] = 0.1
    """For training sessions, in age: the share of the training sessions that are newer."""
    lambda_inh: Annotated[float, Gt(0)] = 2.05
    """For a neighbour's items, in places from its last item that is also in the session."""


@dataclass(frozen=True)
class Stan:
    """The training sessions and the settings.

    factor: (S,) float64, what each training session counts by size and age.
    """

    index: near.Index
    config: Config
    factor: Float64
    max_length = near.HISTORY

    def score(self, batch: Batch) -> Scores:
        """Sum of the faded similarities of the neighbours that hold an item."""
        return near.score_each(batch, self.index.num_items, self._answer)

    def _answer(self, session: near.Distinct) -> Float64:
        weights = np.exp((session.places - session.length) / self.config.lambda_spw)
        found = self.index.candidates(session, weights / np.sqrt((weights**2).sum()))
        similarity = found.weight * self.factor[found.sessions]
        kept = near.most_similar(similarity, self.config.k)
        items, places, owner = self.index.held(found.sessions[kept])
        fading = np.exp(-np.abs(places - found.last[kept][owner]) / self.config.lambda_inh)
        return self.index.sum_up(items, similarity[kept][owner] * fading)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which `load` makes the same scorer."""
        return self.index.state()


def fit(config: Config, data: TrainingData) -> Stan:
    """Look up the training sessions of each item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> Stan:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)
    return Stan(index, config, np.exp(-index.ages() / config.lambda_snh) / np.sqrt(index.sizes))
