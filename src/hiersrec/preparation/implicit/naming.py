"""Clusters -> readable names: "3: Banana, Bag of Organic Bananas"."""

from textwrap import shorten

import numpy as np

from hiersrec.preparation.tree import Names
from hiersrec.types import Int64

EXAMPLES = 2
"""Items in a name: the most frequent ones of the cluster in training."""
MAX_LETTERS = 40
"""Letters of each item in a name."""


def paths(clusters: Int64, train_count: Int64, titles: list[str]) -> list[Names]:
    """Names of the clusters of M items, coarse to fine.

    clusters: (M, L) int64. train_count: (M,). titles: M. Clusters of a level are numbered from 1, most training events
    first, so a name is unique in its level.
    """
    levels = [_names(clusters[:, level], train_count, titles) for level in range(clusters.shape[1])]
    return list(zip(*levels, strict=True))


def _names(cluster: Int64, train_count: Int64, titles: list[str]) -> list[str]:
    events = np.bincount(cluster, train_count)
    order = np.argsort(-events, kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    examples: list[list[str]] = [[] for _ in order]
    for item in np.argsort(-train_count, kind="stable"):
        if len(examples[cluster[item]]) < EXAMPLES:
            examples[cluster[item]].append(shorten(titles[item], MAX_LETTERS, placeholder=" ..."))
    names = [f"{rank}: {', '.join(shown)}" for rank, shown in zip(number, examples, strict=True)]
    return [names[label] for label in cluster]
