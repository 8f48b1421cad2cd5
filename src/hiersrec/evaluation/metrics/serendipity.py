"""Serendipity over popularity: listed future items that are not among the k most popular, divided by k.

    serendipity@k = |first k, without the k most popular items, and in the future of the session| / k

What a list gets right that the same list for everybody would not hold. Ge, Delgado-Battenfeld and Jannach, "Beyond
Accuracy", RecSys 2010, with popularity as the primitive recommender; divided by the length of the list as in
Adamopoulos and Tuzhilin, "On Unexpectedness in Recommender Systems", TIST 2014, so that `precision` minus this is what
popularity would have found too. RecTools' Serendipity weighs each hit by how far its rank is above its rank by
popularity.
"""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.retrieval import order
from hiersrec.types import Float64

USES = ("is_future", "lists", "train_count")


def values(results: Results, k: int) -> Float64:
    """Share of the first k that is a future item and not popular.

    Items 1 and 2 are the most popular. The first list has the future items 1 and 3, the second 4.

    >>> counts, nothing = np.array([0, 8, 4, 2, 1]), np.zeros(2, int)
    >>> lists = np.array([[1, 3], [2, 4]], np.int32)
    >>> is_future = np.array([[True, True], [False, True]])
    >>> values(Results(nothing, nothing, is_future, lists, train_count=counts), k=2).tolist()
    [0.5, 0.5]
    """
    popular, _ = order.top_k(np.append(-np.inf, results.train_count[1:]).astype(np.float32)[None], k)
    hits = results.is_future[:, :k] & ~np.isin(results.lists[:, :k], popular)
    return np.asarray(np.count_nonzero(hits, axis=1) / k, np.float64)
