"""Hit rate of the next item: 1 if its rank is at most k, else 0.

HITS@k of the paper; elsewhere HR@k, P@k, or Recall@k where only the next item is relevant.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("rank",)


def values(results: Results, k: int) -> Float64:
    """1 if the next item is among the first k, else 0.

    >>> values(Results.of_ranks(np.array([1, 4, 5, 0])), k=4).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    return ((results.rank >= 1) & (results.rank <= k)).astype(np.float64)
