"""Gini index of how often each item is listed: 0 if all equally often, 1 - 1/N if all lists hold the same item.

    Gini = sum over the items i in ascending order of their lists c_i of (2 i - N - 1) * c_i / (N * sum of c)

One number for all lists. Never listed items count as zeros. Fleder and Hosanagar, "Blockbuster Culture's Next Rise or
Fall", Management Science 2009, who apply it to sales; formula as in RecBole's GiniIndex. Gunawardana and Shani
(Recommender Systems Handbook) divide by N - 1 in place of N, which makes 1 the greatest value.
"""

import numpy as np

from hiersrec.evaluation.metrics import AllLists

USES = ("listed",)
BETTER = "lower"


def value(lists: AllLists) -> float:
    """Gini index over all items.

    Of four items one is in 3 lists and one in 1: ((2*3 - 5) * 1 + (2*4 - 5) * 3) / (4 * 4).

    >>> value(AllLists(listed=np.array([0, 3, 0, 1, 0]), history=np.zeros(5), train_count=np.zeros(5, int)))
    0.625
    """
    counts = np.sort(lists.listed[1:])
    size = len(counts)
    weights = 2 * np.arange(1, size + 1) - size - 1
    return float((weights * counts).sum() / (size * max(1, counts.sum())))
