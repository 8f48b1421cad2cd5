"""Recall of the future: the share of the distinct future items (unseen ones included) that are among the first k.

The definition that the paper words, "all future items (including the next-item) in a session in top-20 lists".
session-rec divides by the number of future clicks, repeats included, so its values are lower where sessions repeat.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64, Int64

USES = ("future", "is_future")


def values(results: Results, k: int) -> Float64:
    """Listed future items divided by all future items.

    >>> is_future = np.array([[False, False, True], [False, True, True], [True, True, True]])
    >>> values(Results(rank=np.array([3, 2, 1]), future=np.array([2, 4, 4]), is_future=is_future), k=2).tolist()
    [0.0, 0.25, 0.5]
    """
    listed: Int64 = np.count_nonzero(results.is_future[:, :k], axis=1)
    return listed / results.future
