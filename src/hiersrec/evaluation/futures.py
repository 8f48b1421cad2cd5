"""What is still to come: the distinct future items (or categories) of each prefix, as flat pairs.

The future of a prefix is its target and everything after it in the session. Pairs are (row of the batch, item); items
that training never saw keep their negative numbers, so that each counts once.
"""

from typing import NamedTuple

import numpy as np

from hiersrec.store.sessions import Prefixes
from hiersrec.types import Int32, Int64

SHIFT = 1 << 32
"""Pairs are compared as row * SHIFT + item: an int32 item number, negative or not, can't reach another row's."""


class Futures(NamedTuple):
    """Distinct pairs, in order of row: rows (F,) int64 and items (F,) int64."""

    rows: Int64
    items: Int64


def of_prefixes(prefixes: Prefixes, rows: Int64) -> Futures:
    """Distinct future items of some prefixes; pairs name a prefix by its place in `rows`."""
    start = prefixes.positions[rows]
    end = np.asarray(prefixes.sessions.offsets)[prefixes.session_of(rows) + 1]
    counts = end - start
    owners = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return _distinct(owners, np.asarray(prefixes.sessions.items)[start[owners] + within])


def as_categories(futures: Futures, nodes: Int32, num_known: int) -> Futures:
    """Distinct known categories of the future items; nodes: (N + 1,) int32 of one level."""
    node = nodes[np.maximum(futures.items, 0)]
    known = (node >= 1) & (node <= num_known)
    return _distinct(futures.rows[known], node[known])


def count(futures: Futures, size: int) -> Int64:
    """(B,) int64: pairs of each row."""
    return np.bincount(futures.rows, minlength=size)


def found(futures: Futures, listed: Int32) -> Int64:
    """(B,) int64: how many of its pairs each row lists; listed: (B, K) int32, 0 is none."""
    on_list = np.arange(len(listed))[:, None] * SHIFT + listed  # (B, K)
    is_found = np.isin(futures.rows * SHIFT + futures.items, on_list) & (futures.items > 0)
    return np.bincount(futures.rows[is_found], minlength=len(listed))


def _distinct(rows: Int64, items: Int32) -> Futures:
    pairs = np.unique(rows * SHIFT + items + SHIFT // 2)
    return Futures(pairs // SHIFT, pairs % SHIFT - SHIFT // 2)
