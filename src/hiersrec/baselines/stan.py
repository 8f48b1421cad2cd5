"""STAN: session kNN weighted by the age of items in the session, the age of neighbours, and distance inside them.

Paper: Garg, Gupta, Malhotra, Vig and Shroff, Sequence and Time Aware Neighborhood for Session-based Recommendations,
SIGIR 2019. Code by others, the source of its published numbers: github.com/rn5l/session-rec. With t the length of the
session s, pos_i the last position of item i in s and pos_n(i) in a training session n:

    w_i              = exp((pos_i - t) / lambda_spw)
    similarity(s, n) = (sum, over the items i that s and n share, of w_i) / sqrt(sum, over the items of s, of w_i^2)
                       / sqrt(distinct items of n) * exp(-age(n) / lambda_snh)
    score(j)         = sum, over the neighbours n that contain j, of
                       similarity(s, n) * exp(-|pos_n(j) - pos_n(i*)| / lambda_inh)

where i* is the last item of n that is also in s. See `_neighbours.py` for candidates and neighbours.

Deviation: age. The paper uses the time between s and n. The time of s is the same factor for all neighbours, so it is
left out; and a dataset folder stores the order of its sessions, but no times. So age(n) is the share of the training
sessions that are newer than n: 0 for the newest, 1 for the oldest. A lambda_snh in days, divided by the days of the
training period, is about ours. Set a large one if the data is not ordered by time. Ties between neighbours go to the
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


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of STAN: the smaller a lambda, the faster weights fall with distance."""

    k: Annotated[int, Ge(1)] = 500
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 5000
    """Candidates: the newest training sessions that share an item with the session."""
    lambda_spw: Annotated[float, Gt(0)] = 1.02
    """For the session's items, in positions back from its newest one."""
    lambda_snh: Annotated[float, Gt(0)] = 0.1
    """For training sessions, in age: the share of the training sessions that are newer."""
    lambda_inh: Annotated[float, Gt(0)] = 2.05
    """For a neighbour's items, in positions from its last item that is also in the session."""


def fit(config: Config, data: TrainingData) -> near.KnnScorer:
    """Index the training sessions by item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> near.KnnScorer:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)
    return near.time_aware(index, config.k, config.lambda_spw, config.lambda_snh, config.lambda_inh)
