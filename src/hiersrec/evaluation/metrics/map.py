"""MAP: precision at the position of each listed future item, summed and divided by all future items, averaged.

    AP@k = 1 / |future| * sum over the positions j <= k that hold a future item of (future items among the first j) / j

Its mean is MAP: Buckley and Voorhees, "Evaluating Evaluation Measure Stability", SIGIR 2000. All distinct future items
are relevant, those that training never saw included. The divisor is their number, also where it is above k, as in
trec_eval, ranx and RecTools; RecBole divides by min(k, future), so its values are higher for long futures.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("future", "is_future")


def values(results: Results, k: int) -> Float64:
    """Average precision of each list.

    The second list has future items at positions 1 and 3, of two: (1/1 + 2/3) / 2.

    >>> is_future = np.array([[False, False, True], [True, False, True]])
    >>> values(Results(rank=np.array([3, 1]), future=np.array([1, 2]), is_future=is_future), k=3).round(4).tolist()
    [0.3333, 0.8333]
    """
    is_future = results.is_future[:, :k]
    precision = np.cumsum(is_future, axis=1) / np.arange(1, is_future.shape[1] + 1)
    return np.asarray((precision * is_future).sum(axis=1) / results.future, np.float64)
