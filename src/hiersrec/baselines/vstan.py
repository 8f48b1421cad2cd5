"""VSTAN: STAN with two ideas of VS-KNN: a neighbour's vote falls with the age of what it shares, rare items get more.

Paper: Ludewig, Mauro, Latifi and Jannach, Empirical Analysis of Session-based Recommendation Algorithms, UMUAI 2021,
arxiv.org/abs/1910.12781. Code of the authors: github.com/rn5l/session-rec. With t the length of the session s, pos_i
the last position of item i in s and pos_n(i) in a training session n:

    w_i              = exp((pos_i - t) / lambda_spw)
    similarity(s, n) = (sum, over the items i that s and n share, of w_i) / sqrt(sum, over the items of s, of w_i^2)
                       / sqrt(distinct items of n) * exp(-age(n) / lambda_snh)
    score(j)         = sum, over the neighbours n that contain j, of
                       similarity(s, n) * exp(-|pos_n(j) - pos_n(i*)| / lambda_inh)
                       * exp((pos_p - t) / lambda_ipw) * (1 + idf * idf_j)
    idf_j            = ln(training sessions / training sessions that contain j)

where i* is the last item of n that is also in s, p the newest item of s that is also in n, and age(n), since no times
are stored, the share of the training sessions that are newer than n: 0 for the newest, 1 for the oldest. A lambda_snh
in days, divided by the days of the training period, is about ours. What candidates and neighbours are says
`_neighbours.py`. Further deviations from session-rec: idf_j counts sessions, not clicks, so that it is never negative;
ties between neighbours go to the newer session. Its setting `similarity` changes nothing there and is left out.

Reported on Diginetica, HITS@20 / MRR@20 in percent: 48.03 / 18.37 on session-rec's five windows [R, rn5l/session-rec,
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
    """Settings of VSTAN: the smaller a lambda, the faster weights fall with distance."""

    k: Annotated[int, Ge(1)] = 500
    """Neighbours."""
    sample: Annotated[int, Ge(1)] = 5000
    """Candidates: the newest training sessions that share an item with the session."""
    lambda_spw: Annotated[float, Gt(0)] = 1.02
    """For the session's items in the similarity, in positions back from its newest one."""
    lambda_snh: Annotated[float, Gt(0)] = 0.1
    """For training sessions, in age: the share of the training sessions that are newer."""
    lambda_inh: Annotated[float, Gt(0)] = 2.05
    """For a neighbour's items, in positions from its last item that is also in the session."""
    lambda_ipw: Annotated[float, Gt(0)] = 1.02
    """For a neighbour's vote, in positions of the newest shared item back from the session's newest."""
    idf: Annotated[float, Ge(0)] = 5.0
    """How much rare items are boosted; 0 treats all alike."""


def fit(config: Config, data: TrainingData) -> near.KnnScorer:
    """Index the training sessions by item."""
    return load(config, data.catalog, near.count(data.train))


def load(config: Config, catalog: Catalog, state: dict[str, np.ndarray]) -> near.KnnScorer:
    """The scorer of a saved state."""
    index = near.load(state, catalog.num_items, config.sample)
    fading = (config.lambda_spw, config.lambda_snh, config.lambda_inh, config.lambda_ipw)
    return near.time_aware(index, config.k, *fading, config.idf)
