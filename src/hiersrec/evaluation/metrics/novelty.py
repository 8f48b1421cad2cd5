"""Novelty: mean self-information of the listed items in bits; an item of half of the events has 1, of a thousandth 10.

    novelty@k = mean over the listed items i of -log2(events of i / events of all items)

Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010; Vargas and Castells,
"Rank and Relevance in Novelty and Diversity Metrics", RecSys 2011. Events of the training sessions are counted, where
RecTools' MeanInvUserFreq counts users. As there, an item without any counts as one with 1. An empty list has 0.
"""

import math

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("lists", "train_count")
RANGE = (0.0, math.inf)


def values(results: Results, k: int) -> Float64:
    """Mean self-information of the first k.

    Of 16 events item 1 has 8, item 2 has 4 and item 3 none, which counts as 1.

    >>> counts, nothing = np.array([0, 8, 4, 0, 4]), np.zeros(2, int)
    >>> lists = np.array([[1, 2, 3], [3, 0, 0]], np.int32)
    >>> values(Results(nothing, nothing, lists > 9, lists, train_count=counts), k=2).tolist()
    [1.5, 4.0]
    """
    lists = results.lists[:, :k]
    is_item = lists > 0
    counts = results.train_count
    bits = np.log2(counts.sum()) - np.log2(np.maximum(counts[lists], 1))
    return np.asarray((bits * is_item).sum(axis=1) / np.maximum(is_item.sum(axis=1), 1), np.float64)
