"""Mean reciprocal rank of the next item: 1 / rank if the rank is at most k, else 0.

Voorhees, "The TREC-8 Question Answering Track Report", 1999; cut at k as in the paper's tables.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("rank",)


def values(results: Results, k: int) -> Float64:
    """Reciprocal rank of the next item, 0 beyond k and for a miss.

    >>> values(Results.of_ranks(np.array([1, 4, 5, 0])), k=4).tolist()
    [1.0, 0.25, 0.0, 0.0]
    """
    ranks = results.rank
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=(ranks >= 1) & (ranks <= k))
