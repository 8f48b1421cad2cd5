"""Vectors -> clusters by k-means; for several levels, clusters inside clusters."""

from collections.abc import Sequence

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.types import Float32, Int64

DIGITS = 4
"""Vectors that agree in so many digits lie at one place: what is left between them is rounding."""
MAX_ITERATIONS = 100


def places(vectors: Float32) -> tuple[Float32, Int64, Int64]:
    """Different vectors (Q, W) in sorted order, the place of each vector (M,) and how many lie at each place (Q,)."""
    found, place, counts = np.unique(np.round(vectors, DIGITS), axis=0, return_inverse=True, return_counts=True)
    return found, place.reshape(-1), counts


def clusters(vectors: Float32, sizes: Sequence[int], seed: int) -> Int64:
    """Cluster from 0 of each of M vectors at each level, (M, L) int64; `sizes` are the clusters per level, growing.

    A cluster of one level lies inside one of the level before, which is divided into a share of the level's clusters
    that is proportional to its items. Raises BadInput if a level asks for more clusters than there are places.
    """
    points, place, counts = places(vectors)
    if sizes[-1] > len(points):
        raise BadInput(
            f"--implicit-categories asks for {sizes[-1]} clusters, but the {len(vectors)} items of the training "
            f"sessions can be told apart into {len(points)} at most. Lower it."
        )
    levels = np.zeros((len(points), len(sizes)), np.int64)
    above = np.zeros(len(points), np.int64)
    for level, size in enumerate(sizes):
        given = shares(np.bincount(above, counts), np.bincount(above), size)
        first = np.cumsum(given) - given
        for cluster, share in enumerate(given):
            inside = np.flatnonzero(above == cluster)
            levels[inside, level] = first[cluster] + kmeans(points[inside], counts[inside], int(share), seed)
        _, above = np.unique(levels[:, level], return_inverse=True)
    return levels[place]


def shares(items: Int64, most: Int64, total: int) -> Int64:
    """Divide `total` among groups in proportion to their items: at least 1 and at most `most` each (D'Hondt)."""
    given = np.ones(len(items), np.int64)
    for _ in range(total - len(items)):
        given[np.argmax(np.where(given < most, items / given, -1))] += 1
    return given


def kmeans(points: Float32, counts: Int64, size: int, seed: int) -> Int64:
    """Cluster from 0 of each point (Q,), by scikit-learn's k-means; a point stands for `counts` items."""
    from sklearn.cluster import KMeans

    if size == 1:
        return np.zeros(len(points), np.int64)
    if size == len(points):
        return np.arange(len(points))
    model = KMeans(size, n_init="auto", max_iter=MAX_ITERATIONS, random_state=seed)
    found: Int64 = model.fit_predict(points, sample_weight=counts).astype(np.int64)
    return found
