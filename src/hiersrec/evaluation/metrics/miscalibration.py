"""Miscalibration: divergence of the list's categories from those of the session so far, in nats; 0 is best.

    KL(p || q) = sum over the categories c of level 1 of p(c) * ln(p(c) / q(c)),    q = (1 - alpha) * list + alpha * p

p is the share of each category among the known items of the prefix, `list` its share among the listed items, alpha
0.01. Steck, "Calibrated Recommendations", RecSys 2018, where genres are the categories. Level 1,
because sessions are short: of hundreds of fine categories they hold too few for a distribution. Items without a
category there are left out. From 0 to ln 100 = 4.61, where the list has none of the session's categories. A session
without any has 0: there is nothing to keep to.
"""

import math

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("lists", "history", "item_nodes")
ALPHA = 0.01
RANGE = (0.0, -math.log(ALPHA))
BETTER = "lower"


def values(results: Results, k: int) -> Float64:
    """Divergence of each list from its session.

    The first session is half of category 1 and half of 2, its list all of 1: q(1) = 0.995, q(2) = 0.005. The second
    list has what its session has, the third nothing of it.

    >>> nodes, nothing = np.array([[0], [1], [1], [2]], np.int32), np.zeros(3, int)
    >>> lists, history = np.array([[1, 2], [1, 3], [3, 3]], np.int32), np.array([[1, 3], [3, 1], [1, 0]], np.int32)
    >>> values(Results(nothing, nothing, lists > 9, lists, history, item_nodes=nodes), k=2).round(4).tolist()
    [1.9585, 0.0, 4.6052]
    """
    category = results.item_nodes[:, 0]
    wanted, shown = category[results.history], category[results.lists[:, :k]]  # (B, T), (B, K); 0 is none
    total = np.zeros(len(wanted))
    sizes = np.maximum(np.count_nonzero(wanted, axis=1), 1)
    lengths = np.maximum(np.count_nonzero(shown, axis=1), 1)
    for position in range(wanted.shape[1]):  # each event adds its part of p(c) * ln(p(c) / q(c))
        one = wanted[:, position, None]
        p = np.count_nonzero(wanted == one, axis=1) / sizes
        q = (1 - ALPHA) * np.count_nonzero(shown == one, axis=1) / lengths + ALPHA * p
        total += np.where(one[:, 0] > 0, np.log(np.where(p > 0, p, 1.0) / np.where(q > 0, q, 1.0)), 0.0) / sizes
    return np.clip(total, *RANGE)
