"""Any hit: 1 if at least one distinct future item is among the first k, else 0.

Our reading of the paper's Recall@20, whose values exceed its HITS@20 (docs/lookup/metrics.md).
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Bool, Float64

USES = ("is_future",)


def values(results: Results, k: int) -> Float64:
    """1 if a future item is listed, else 0.

    >>> is_future = np.array([[False, False, True], [False, True, True], [True, True, True]])
    >>> values(Results(rank=np.array([3, 2, 1]), future=np.array([2, 4, 3]), is_future=is_future), k=2).tolist()
    [0.0, 1.0, 1.0]
    """
    is_hit: Bool = np.any(results.is_future[:, :k], axis=1)
    return is_hit.astype(np.float64)
