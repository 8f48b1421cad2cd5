"""Vectors -> clusters by k-means; for several levels, nested clusters."""

from collections.abc import Sequence

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.types import Float32, Int64

DIGITS = 4
"""Vectors that agree to this many digits count as equal: their difference is rounding."""
MAX_ITERATIONS = 100


def distinct(vectors: Float32) -> tuple[Float32, Int64, Int64]:
    """Distinct vectors (Q, W), sorted; the index of each of M vectors among them (M,); their counts (Q,)."""
    points, index, counts = np.unique(np.round(vectors, DIGITS), axis=0, return_inverse=True, return_counts=True)
    return points, index.reshape(-1), counts


def clusters(vectors: Float32, sizes: Sequence[int], seed: int) -> Int64:
    """Cluster from 0 of each of M vectors at each level, (M, L) int64; `sizes` are the clusters per level, ascending.

    Each cluster is split into the clusters of the next level, in number proportional to its items. Raises BadInput if a
    level has more clusters than there are distinct vectors.
    """
    points, index, counts = distinct(vectors)
    if sizes[-1] > len(points):
        raise BadInput(
            f"--implicit-categories got {sizes[-1]} clusters, but the {len(vectors)} items of the training sessions "
            f"have only {len(points)} distinct vectors. Lower it."
        )
    levels = np.zeros((len(points), len(sizes)), np.int64)
    parents = np.zeros(len(points), np.int64)
    for level, size in enumerate(sizes):
        children = shares(np.bincount(parents, counts), np.bincount(parents), size)
        first = np.cumsum(children) - children
        for parent, num_children in enumerate(children):
            members = np.flatnonzero(parents == parent)
            levels[members, level] = first[parent] + kmeans(points[members], counts[members], int(num_children), seed)
        _, parents = np.unique(levels[:, level], return_inverse=True)
    return levels[index]


def shares(items: Int64, maximum: Int64, total: int) -> Int64:
    """Divide `total` among groups in proportion to their items: at least 1 and at most `maximum` each (D'Hondt)."""
    seats = np.ones(len(items), np.int64)
    for _ in range(total - len(items)):
        seats[np.argmax(np.where(seats < maximum, items / seats, -1))] += 1
    return seats


def kmeans(points: Float32, counts: Int64, size: int, seed: int) -> Int64:
    """Cluster from 0 of each point (Q,), by scikit-learn's k-means with weights `counts`."""
    from sklearn.cluster import KMeans

    if size == 1:
        return np.zeros(len(points), np.int64)
    if size == len(points):
        return np.arange(len(points))
    model = KMeans(size, n_init="auto", max_iter=MAX_ITERATIONS, random_state=seed)
    labels: Int64 = model.fit_predict(points, sample_weight=counts).astype(np.int64)
    return labels
