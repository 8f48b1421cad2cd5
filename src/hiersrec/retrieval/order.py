"""The one order of items: score descending, then item number ascending.

Served lists come from `top_k`, evaluated ranks from `ranks`; both keep this order, so an item of rank 7 is the seventh
of the list. Item numbers follow the sorted external ids, never popularity, so ties favour nothing in particular.
Scores are compared as float32: rounding them further first makes ties, and ties make metrics lie. An item scored minus
infinity (padding, or removed on purpose) is never listed and has rank 0.
"""

from typing import NamedTuple

import numpy as np

from hiersrec.types import Float32, Int32, Int64

ROWS_AT_ONCE = 32
"""Rows compared at a time, so that the comparisons stay in the processor's cache and need little memory."""

BLOCK = 64
"""Scores that share one maximum when the best are looked for: far cheaper than to partition a whole row."""

SHORT = 2048
"""Rows with fewer scores are partitioned whole, which is fast enough then."""


class Ranks(NamedTuple):
    """Ranks of one item for each row, all (B,) int64, from 1; 0 where the item has no score.

    exact: in the one order. optimistic: before all items that tie with it. pessimistic: after all of them.
    """

    exact: Int64
    optimistic: Int64
    pessimistic: Int64


def top_k(scores: Float32, k: int) -> tuple[Int32, Float32]:
    """The best items of each row, best first: items (B, K) int32 and their scores (B, K) float32, K = min(k, N).

    scores: (B, N + 1) float32 without NaN. Where fewer than K items have a score, item 0 with minus infinity fills up.
    """
    assert k >= 1
    assert scores.dtype == np.float32
    k = min(k, scores.shape[1] - 1)
    items = np.zeros((len(scores), k), np.int32)
    best = np.full((len(scores), k), -np.inf, np.float32)
    if k == 0:  # a level without a known category
        return items, best
    for row, line in enumerate(scores):
        listed = _best_of(line, k)
        items[row, : len(listed)] = listed
        best[row, : len(listed)] = line[listed]
    return items, best


def _best_of(line: Float32, k: int) -> Int64:
    """Numbers of the k best scores above minus infinity, best first."""
    least = floor(line, k)
    listed = np.flatnonzero(line > least)
    if len(listed) < k and least > -np.inf:
        listed = np.concatenate([listed, np.flatnonzero(line == least)[: k - len(listed)]])
    return listed[np.argsort(-line[listed], kind="stable")][:k]  # stable: equal scores stay in order of number


def floor(line: Float32, k: int) -> np.float32:
    """A number that at least k of the scores (n,) reach, 1 <= k <= n, and not many more."""
    if len(line) < SHORT:
        return np.float32(np.partition(line, len(line) - k)[len(line) - k])
    width = min(BLOCK, len(line) // k)
    blocks = len(line) // width  # at least k of them
    maxima = line[: blocks * width].reshape(width, blocks).max(axis=0)  # (blocks,)
    # k blocks reach it, so the k-th best score does too; fewer than k blocks, and the rest, reach above it.
    return np.float32(np.partition(maxima, blocks - k)[blocks - k])


def ranks(scores: Float32, items: Int32) -> Ranks:
    """Rank of one item per row among all items of the row.

    scores: (B, N + 1) float32 without NaN; items: (B,) int32 from 1 to N, or 0 and less for a target without a score.
    """
    assert scores.dtype == np.float32
    assert scores.shape[:1] == items.shape
    every = np.arange(len(items))
    of_target = np.where(items > 0, scores[every, np.maximum(items, 0)], -np.inf).astype(np.float32)  # (B,)
    greater = np.zeros(len(items), np.int64)
    not_less = np.zeros(len(items), np.int64)
    for start in range(0, len(items), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        greater[rows] = np.count_nonzero(scores[rows] > of_target[rows, None], axis=1)
        not_less[rows] = np.count_nonzero(scores[rows] >= of_target[rows, None], axis=1)
    exact = greater + 1
    has_rank = of_target > -np.inf
    for row in np.flatnonzero(has_rank & (not_less > exact)):
        exact[row] += np.count_nonzero(scores[row, : items[row]] == of_target[row])
    return Ranks(*(np.where(has_rank, rank, 0) for rank in (exact, greater + 1, not_less)))
