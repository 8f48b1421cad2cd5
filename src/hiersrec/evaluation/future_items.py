"""The distinct future items (or classes of a task) of each prefix, as flat pairs.

The future of a prefix is its target and everything after it in the session. Pairs are (row of the batch, item); items
that training never saw keep their negative numbers, so that each counts once.
"""

from typing import NamedTuple

import numpy as np

from hiersrec.store.sessions import Prefixes
from hiersrec.types import Bool, Int32, Int64

SHIFT = 1 << 32
"""Pairs are compared as row * SHIFT + item: no int32 item number, negative or not, reaches the range of another row."""


class Futures(NamedTuple):
    """Distinct pairs, in order of row and then item: rows (F,) int64 and items (F,) int64."""

    rows: Int64
    items: Int64


def of_prefixes(prefixes: Prefixes, rows: Int64) -> Futures:
    """Distinct future items of some prefixes; the rows of the pairs are indices into `rows`."""
    return _distinct(*_future(prefixes, rows, np.asarray(prefixes.sessions.items)))


def of_classes(prefixes: Prefixes, rows: Int64, classes: Int32) -> Futures:
    """Distinct known future classes; classes: (E,) int32, of every event of the split, 0 where unknown."""
    owners, labels = _future(prefixes, rows, classes)
    return _distinct(owners[labels > 0], labels[labels > 0])


def _future(prefixes: Prefixes, rows: Int64, values: Int32) -> tuple[Int64, Int32]:
    """Every future event of some prefixes: the index of its prefix in `rows`, and its entry in `values` (E,)."""
    start = prefixes.positions[rows]
    end = np.asarray(prefixes.sessions.offsets)[prefixes.session_of(rows) + 1]
    counts = end - start
    owners = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return owners, values[start[owners] + within]


def counts(futures: Futures, size: int) -> Int64:
    """(B,) int64: number of pairs of each row."""
    return np.bincount(futures.rows, minlength=size)


def in_lists(futures: Futures, lists: Int32) -> Bool:
    """(B, K) bool: whether the item at each position of a list is a future item; lists: (B, K) int32, 0 is padding."""
    sought = np.append(futures.rows * SHIFT + futures.items, np.iinfo(np.int64).max)  # sorted, as all pairs are
    pairs = np.arange(len(lists))[:, None] * SHIFT + lists  # (B, K)
    is_future: Bool = sought[np.searchsorted(sought, pairs)] == pairs
    return is_future & (lists > 0)


def _distinct(rows: Int64, items: Int32) -> Futures:
    pairs = np.unique(rows * SHIFT + items + SHIFT // 2)
    return Futures(pairs // SHIFT, pairs % SHIFT - SHIFT // 2)
