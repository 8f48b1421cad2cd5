"""Intra-list diversity by item vectors: mean over the pairs of listed items of 1 - the cosine of their vectors.

The vectors are those that the model compares with a session, so this is how alike the items are to the model; other
models have other vectors, and only lists of one model can be compared by them. Smyth and McClave, "Similarity vs.
Diversity", ICCBR 2001; Zhang and Hurley, "Avoiding Monotony", RecSys 2008. From 0 to 2. A zero vector has the cosine 0
with all others. A list of fewer than two items has 0.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("lists", "vectors")
RANGE = (0.0, 2.0)


def values(results: Results, k: int) -> Float64:
    """Mean distance over the pairs of the first k.

    The pairs of the first list have the cosines 0, 1 and 0, the pair of the second has -1.

    >>> vectors, nothing = np.array([[2, 0], [0, 1], [1, 0], [0, -3]], np.float32), np.zeros(2, int)
    >>> lists = np.array([[1, 2, 3], [2, 4, 0]], np.int32)
    >>> values(Results(nothing, nothing, lists > 9, lists, vectors=vectors), k=3).round(4).tolist()
    [0.6667, 2.0]
    """
    lists = results.lists[:, :k]
    sums = np.zeros((len(lists), results.vectors.shape[1]))
    cosines = np.zeros(len(lists))  # of all pairs, summed
    for position in range(lists.shape[1]):  # one position at a time, so that memory stays small
        item = lists[:, position]
        vector = results.vectors[item - 1].astype(np.float64) * (item > 0)[:, None]  # (B, d)
        lengths = np.linalg.norm(vector, axis=1, keepdims=True)
        unit = np.divide(vector, lengths, out=np.zeros_like(vector), where=lengths > 0)
        cosines += (unit * sums).sum(axis=1)
        sums += unit
    size = np.count_nonzero(lists, axis=1)
    pairs = size * (size - 1) / 2
    return np.clip(np.where(pairs > 0, 1 - cosines / np.maximum(pairs, 1), 0.0), 0.0, 2.0)
