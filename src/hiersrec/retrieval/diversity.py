"""Diversity: a list chosen from the best items so that its items lie further apart in the category tree.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): one item after another, the next is the one with the
greatest

    (1 - diversity) * relevance - diversity * (greatest similarity to the items chosen before)

relevance: scores scaled to 0 .. 1 between the worst and the best of the pool, which needs no scores of a known unit.
similarity: by Wu and Palmer (ACL 1994), 1 for items of one category path and 0 for items of different top
categories, or without one:

    similarity(i, j) = 2 * (categories that both paths share) / (length of i's path + length of j's path)
"""

import numpy as np

from hiersrec.store.item_catalog import ItemCatalog, known_nodes
from hiersrec.types import Float32, Float64, Int32, Int64

POOL = 5
"""A list of k is chosen from the best POOL * k items, LEAST at least."""
LEAST = 100


def pool_size(k: int) -> int:
    """How many of the best items a list of k is chosen from."""
    return max(POOL * k, LEAST)


def known_paths(catalog: ItemCatalog, items: Int32) -> Int32:
    """(L, K) int32: category of items (K,) at each level, 0 where it is unknown."""
    return known_nodes(catalog, items).T


def similarities(paths: Int32, item: int) -> Float64:
    """Similarity of the item in a column of `paths` (L, K) with each of the K: (K,) float64."""
    return _Paths(paths).similarities(item)


class _Paths:
    """Paths (L, K), prepared for many similarities."""

    def __init__(self, paths: Int32) -> None:
        self.paths = paths
        self.known = np.where(paths > 0, paths, -1)  # so that an unknown category equals no other
        self.lengths = (paths > 0).sum(axis=0)

    def similarities(self, item: int) -> Float64:
        shared = (self.known == self.paths[:, item, None]).sum(axis=0)
        return np.asarray(2 * shared / np.maximum(self.lengths + self.lengths[item], 1))


def diversified(paths: Int32, scores: Float32, k: int, diversity: float) -> Int64:
    """Positions (min(k, K),) int64 of the chosen items among K, in the order in which they were chosen.

    paths: (L, K). scores: (K,), best first; the earlier of equally good items is chosen. diversity: 0 to 1.
    """
    known = _Paths(paths)
    gains = (1 - diversity) * _scaled(scores)
    nearest = np.zeros(len(scores))
    chosen = np.zeros(min(k, len(scores)), np.int64)
    for rank in range(len(chosen)):
        item = int(np.argmax(gains - diversity * nearest))
        chosen[rank] = item
        gains[item] = -np.inf
        np.maximum(nearest, known.similarities(item), out=nearest)
    return chosen


def _scaled(scores: Float32) -> Float64:
    """Scores (K,) from 0 for the smallest to 1 for the greatest; all 1 where they are equal."""
    exact = scores.astype(np.float64)
    span = exact.max(initial=-np.inf) - exact.min(initial=np.inf)
    return np.asarray((exact - exact.min()) / span if span > 0 else np.ones(len(exact)))


def mean_distance(paths: Int32) -> float:
    """Mean of 1 - similarity over the pairs of K items, 0 for fewer than two: the intra-list diversity by the tree."""
    size = paths.shape[1]
    if size < 2:
        return 0.0
    known = _Paths(paths)
    shared = (known.known[:, :, None] == paths[:, None, :]).sum(axis=0)  # (K, K)
    lengths = known.lengths[:, None] + known.lengths
    near = 2 * shared / np.maximum(lengths, 1)
    return float(1 - (near.sum() - near.trace()) / (size * (size - 1)))
