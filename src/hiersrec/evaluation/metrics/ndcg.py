"""NDCG of the next item: 1 / log2(1 + rank) if the rank is at most k, else 0.

Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002. Only the next item is relevant,
with gain 1, as in papers on sequential recommendation (SASRec, BERT4Rec): then the ideal gain is 1, and this is the
discount of the target. Where all future items are relevant (RecTools, Microsoft's recommenders), the numbers differ.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("rank",)


def values(results: Results, k: int) -> Float64:
    """Discount of the next item, 0 beyond k and for a miss.

    >>> values(Results.of_ranks(np.array([1, 3, 7, 8, 0])), k=7).round(4).tolist()
    [1.0, 0.5, 0.3333, 0.0, 0.0]
    """
    is_listed = (results.rank >= 1) & (results.rank <= k)
    return np.where(is_listed, 1 / np.log2(1.0 + np.maximum(results.rank, 1)), 0.0)
