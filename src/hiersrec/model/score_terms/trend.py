"""Trend: how much more often an item came lately than over the whole time that a model was trained on.

A model learns P(i | session) where items came at the rates P(i) of that time, and serves where they come at others:

    P'(i | session) ~ P(i | session) P'(i) / P(i)

(Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002.) So an
item's trend, the logarithm of that ratio, is added to its score when training is over, times a weight of at most 1.

The ratio is an estimate from counts. Lately, item i has c events, and would have e if demand were what it was all the
time. Take c as Poisson with the mean r e, and r as gamma with mean 1 and shape a:

    trend(i) = log E[r | c] = log (c + a) / (e + a)              a = sum e^2 / sum ((c - e)^2 - e), over all items

With that a the counts vary by as much as they do: Var c = e + e^2 / a. Where that is chance only, all trends are 0.
(DuMouchel, Bayesian Data Mining in Large Frequency Tables, 1999.)

Lately: an event counts half as much for each HALF_LIFE of the sessions that came after its own, times a factor that is
the same for all and lets them vary as counts do: the sum of their weights equals the sum of their squares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from hiersrec.model.score_term import ItemTerm
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32

HALF_LIFE = 0.06
"""Share of the sessions. Chosen on Diginetica (docs/log/2026-11-28.md), where 0.03 to 0.12 do nearly as well."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    trend: Annotated[float, Ge(0), Le(1)] = 0.0
    """Weight of the items' trends, which are added to the scores after training: how much more often an item came
    lately than over all training sessions (model/score_terms/trend.py). For sessions in the order of time."""


def build(config: Config, catalog: Catalog, width: int, max_length: int, train: Sessions | None) -> "Trend | None":
    """The term from the training sessions, oldest first; zeros, for weights to be loaded into, where those are None."""
    del width, max_length
    if not config.trend:
        return None
    if train is None:
        return Trend(torch.zeros(catalog.num_items))
    return Trend(torch.from_numpy(trend(catalog.num_items, train)) * config.trend)


def advice(config: Config, data: TrainingData, refit: bool) -> Iterator[str]:
    """Where trends may do harm, or seem to."""
    if config.trend and not data.timed:
        yield (
            "these sessions have no times, so trends take the order of session ids for the order of time. If session "
            "ids are in another order, set tasks.item.trend=0."
        )
    if config.trend and not data.latest and not refit:
        yield (
            "the validation sessions are as old as the training sessions, so trends, which are for later sessions, "
            "lower their metrics. Where there are times, prepare --validation latest measures what trends give."
        )


class Trend(ItemTerm):
    """Trends (N,) float32, times their weight."""

    label = "trend"

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("values", values)

    def forward(self) -> Tensor:
        return self.get_buffer("values")


def trend(num_items: int, train: Sessions) -> Float32:
    """(N,) float32, from the sessions that are trained on, oldest first."""
    items, size = np.asarray(train.items), num_items + 1
    age = (len(train) - train.of_events()) / len(train)  # (E,)
    weight = 0.5 ** (age / HALF_LIFE)
    weight *= weight.sum() / max((weight**2).sum(), np.finfo(float).tiny)
    lately = np.bincount(items, weight, size)[1:]
    whole = np.bincount(items, minlength=size)[1:]
    expected = whole * (lately.sum() / max(1, whole.sum()))
    excess = ((lately - expected) ** 2 - expected).sum()  # variance above the variance of chance
    if excess <= 0:
        return np.zeros(num_items, np.float32)
    shape = (expected**2).sum() / excess
    trends: Float32 = np.log((lately + shape) / (expected + shape)).astype(np.float32)
    return trends
