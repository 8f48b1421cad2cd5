"""Precision: listed future items divided by k.

All distinct future items are relevant. A list that is shorter than k is divided by k too, as in trec_eval and ranx.
Papers that call the hit rate of the next item P@k mean `hits`.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64, Int64

USES = ("is_future",)


def values(results: Results, k: int) -> Float64:
    """Share of the first k that is a future item.

    >>> is_future = np.array([[False, False, True], [False, True, True], [True, True, True]])
    >>> values(Results(rank=np.array([3, 2, 1]), future=np.array([2, 4, 3]), is_future=is_future), k=2).tolist()
    [0.0, 0.5, 1.0]
    """
    listed: Int64 = np.count_nonzero(results.is_future[:, :k], axis=1)
    return listed / k
