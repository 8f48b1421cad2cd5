"""The metrics: each a function of the outcome of one prefix, averaged over prefixes by the report.

All lie between 0 and 1, higher is better. A prefix whose target can't be ranked (an item that training never saw) has
rank 0, counts as a miss, and stays in the average. Long sessions weigh more, because every prefix weighs the same.

    mrr@k       1 / rank of the next item, 0 beyond k
    hits@k      1 if the next item is among the first k (elsewhere also HR@k, P@k or even Recall@k)
    recall@k    share of the distinct future items of the session that are among the first k
    any_hit@k   1 if at least one future item of the session is among the first k

The paper says that its "Recall@20 counts all future items (including the next-item) in a session in top-20 lists", but
prints values above HITS@20. A share can't exceed HITS in practice, since later items are harder than the next one; the
reading that fits its tables is any_hit. Both are reported, each under its own name.
"""

import numpy as np

from hiersrec.types import Float64, Int64


def mrr(ranks: Int64, k: int) -> Float64:
    """Reciprocal rank of the next item, 0 beyond k: ranks (P,) from 1, 0 is a miss -> (P,) float64.

    >>> mrr(np.array([1, 4, 5, 0]), k=4).tolist()
    [1.0, 0.25, 0.0, 0.0]
    """
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=(ranks >= 1) & (ranks <= k))


def hits(ranks: Int64, k: int) -> Float64:
    """1 if the next item is among the first k, else 0: ranks (P,) from 1, 0 is a miss -> (P,) float64.

    >>> hits(np.array([1, 4, 5, 0]), k=4).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    return ((ranks >= 1) & (ranks <= k)).astype(np.float64)


def recall(listed: Int64, future: Int64) -> Float64:
    """Share of the distinct future items (including unseen ones) that are listed: two counts (P,) -> (P,) float64.

    `future` is at least 1.

    >>> recall(listed=np.array([0, 1, 3]), future=np.array([2, 4, 3])).tolist()
    [0.0, 0.25, 1.0]
    """
    return listed / future


def any_hit(listed: Int64) -> Float64:
    """1 if at least one distinct future item is listed, else 0: counts (P,) -> (P,) float64.

    >>> any_hit(np.array([0, 1, 3])).tolist()
    [0.0, 1.0, 1.0]
    """
    return (listed > 0).astype(np.float64)
