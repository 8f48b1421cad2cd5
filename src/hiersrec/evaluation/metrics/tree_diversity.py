"""Intra-list diversity by the tree: mean distance of two listed items' category paths, 0 if all share their finest one.

    distance(i, j) = 1 - 2 * (categories that both paths share) / (length of i's path + length of j's path)

These are the edges between two categories by way of their deepest common one, divided by the most that paths of these
lengths can have: 1 for items of different top categories. Ziegler, McNee, Konstan and Lausen, "Improving Recommendation
Lists Through Topic Diversification", WWW 2005, for the mean over pairs of a taxonomy's distances; Wu and Palmer, "Verb
Semantics and Lexical Selection", ACL 1994, for the distance. An item without a category shares nothing. A list of fewer
than two items has 0, as in RecTools.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("lists", "item_nodes")


def values(results: Results, k: int) -> Float64:
    """Mean distance over the pairs of the first k.

    Items 1 and 2 are of category 1 / 1, item 3 of 1 / 2, item 4 only of 2. The pairs of the first list have the
    distances 0, 1/2 and 1/2; the pair of the second has 1.

    >>> nodes, nothing = np.array([[0, 0], [1, 1], [1, 1], [1, 2], [2, 0]], np.int32), np.zeros(2, int)
    >>> lists = np.array([[1, 2, 3], [4, 1, 0]], np.int32)
    >>> values(Results(nothing, nothing, lists > 9, lists, item_nodes=nodes), k=3).round(4).tolist()
    [0.3333, 1.0]
    """
    lists = results.lists[:, :k]
    depths = np.count_nonzero(results.item_nodes, axis=1)  # (N + 1,)
    total = np.zeros(len(lists))
    for position in range(1, lists.shape[1]):  # pairs of an item and those before it, so that memory stays small
        item, before = lists[:, position], lists[:, :position]
        nodes, others = results.item_nodes[item][:, None], results.item_nodes[before]  # (B, 1, L), (B, position, L)
        shared = np.count_nonzero((nodes == others) & (nodes > 0), axis=2)
        lengths = depths[item][:, None] + depths[before]
        distances = 1 - 2 * shared / np.maximum(lengths, 1)
        total += distances.sum(axis=1) * (item > 0)  # a list is padded at its end only
    size = np.count_nonzero(lists, axis=1)
    return np.asarray(total / np.maximum(size * (size - 1) / 2, 1), np.float64)
