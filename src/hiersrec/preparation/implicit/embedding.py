"""Training sessions -> a vector for each item: an off-the-shelf node embedding of the session-item graph.

The embedding is scikit-network's GSVD: singular vectors of the graph's adjacency matrix, with edges divided by the
square root of both degrees, so that rare items count as much as frequent ones. A randomised solver with few iterations
is used on purpose: each of the exact first vectors belongs to a small part of such a graph that is hardly connected to
the rest (on Diginetica, half of them to fewer than 300 of 43,053 items), and says nothing about all other items.
docs/do/implicit.md has measurements of both.
"""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Int64

WIDTH = 64
"""Numbers of a vector; 128 and 256 find the categories of Diginetica no better."""
ITERATIONS = 7
NOISE = 1e-5
"""Vectors shorter than this fraction of the longest are rounding: at length 1 they would differ between machines. On
real sessions the shortest has a hundredth."""
ROUND_TRIPS = 2
"""A walk from item to session to item multiplies a singular vector by its value squared. Vectors are weighted as after
this many walks, which suppresses noise, common in small graphs."""


def graph(train: Sessions) -> tuple[csr_matrix, Int64]:
    """The bipartite graph (S, M) of S sessions and the M items in them, and these items (M,) int64.

    An edge is 1 even if a session visits an item often, which says how good it is, not what kind of item.
    """
    items, column = np.unique(np.asarray(train.items), return_inverse=True)
    row = train.of_events()
    edges = csr_matrix((np.ones(len(row), np.float32), (row, column)), (len(train), len(items)))
    edges.data[:] = 1  # repeats were summed
    return edges, items.astype(np.int64)


def vectors(edges: csr_matrix, seed: int) -> Float32:
    """Unit vectors (M, W) float32 of the items of a graph (S, M), similar for items that the same sessions visit.

    Zeros for items that none of the W singular vectors reaches.
    """
    from sknetwork.embedding import GSVD

    width = min(WIDTH, min(edges.shape) - 1)
    if width < 1:
        return np.ones((edges.shape[1], 1), np.float32)  # a single session or item: nothing to distinguish
    svd = GSVD(width, normalized=False, solver=_solver(seed)).fit(edges)
    weighted = svd.embedding_col_ * svd.singular_values_ ** (2 * ROUND_TRIPS)
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    known = lengths > NOISE * lengths.max()
    units: Float32 = np.divide(weighted, lengths, out=np.zeros_like(weighted), where=known).astype(np.float32)
    return units


def _solver(seed: int) -> Any:
    """scikit-learn's randomised SVD, with a seed, as a solver of scikit-network."""
    from sklearn.utils.extmath import randomized_svd
    from sknetwork.linalg import SVDSolver

    class Randomised(SVDSolver):  # type: ignore[misc]  # the base ships no types
        def fit(self, matrix: csr_matrix, n_components: int) -> "Randomised":
            # Single precision halves the memory, mostly W numbers per session.
            left, values, right = randomized_svd(
                matrix.astype(np.float32), n_components, n_iter=ITERATIONS, random_state=seed
            )
            self.singular_vectors_left_, self.singular_values_, self.singular_vectors_right_ = left, values, right.T
            return self

    return Randomised()
