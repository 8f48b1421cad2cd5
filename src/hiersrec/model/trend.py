"""Trend: how much more often an item comes lately than over the whole time that a model was trained on.

A model learns P(i | session) where items came at the rates P(i) of that time, and serves where they come at others:

    P'(i | session) ~ P(i | session) P'(i) / P(i)

(Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002.) So an
item's trend, the logarithm of that ratio, is added to its score when training is over, times a weight of at most 1.

The ratio is an estimate from counts. Lately, item i has c events, and would have e if demand were what it was all the
time. Take c as Poisson with the mean r e, and r as gamma with mean 1 and shape a:

    trend(i) = log E[r | c] = log (c + a) / (e + a)              a = sum e^2 / sum ((c - e)^2 - e), over all items

With that a the counts vary by as much as they do: Var c = e + e^2 / a. Where that is chance alone, all trends are 0.
(DuMouchel, Bayesian Data Mining in Large Frequency Tables, 1999.)

Lately: an event counts half as much for each HALF_LIFE of the sessions that came after its own, times a factor that is
the same for all and leaves them to vary as counts do: the sum of their weights is that of their squares.
"""

import numpy as np

from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Float64

HALF_LIFE = 0.06
"""Share of the sessions. Chosen on Diginetica (RESULTS.md, 2026-11-28), where 0.03 to 0.12 do nearly as well."""


def trend(num_items: int, train: Sessions) -> Float32:
    """(N,) float32, from the sessions that are trained on, oldest first."""
    items, size = np.asarray(train.items), num_items + 1
    age = (len(train) - train.of_events()) / len(train)  # (E,)
    weight = 0.5 ** (age / HALF_LIFE)
    weight *= weight.sum() / max((weight**2).sum(), np.finfo(float).tiny)
    lately = np.bincount(items, weight, size)[1:]
    whole = np.bincount(items, minlength=size)[1:]
    expected = whole * (lately.sum() / max(1, whole.sum()))
    more = ((lately - expected) ** 2 - expected).sum()  # than chance
    if more <= 0:
        return np.zeros(num_items, np.float32)
    shape = (expected**2).sum() / more
    found: Float64 = np.log((lately + shape) / (expected + shape))
    return found.astype(np.float32)
