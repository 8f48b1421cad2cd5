"""Prefixes -> batches of nearly equal length, so that there is little padding.

Training shuffles the prefixes, sorts them by length within runs of many batches, and shuffles the batches: the order is
random, depends only on (seed, epoch), and less than 10 % of the tokens are padding. Scoring sorts all prefixes.
"""

from collections.abc import Iterator

import numpy as np

from hiersrec.store.sessions import Prefixes
from hiersrec.types import Batch, Int32, Int64

RUN_OF_BATCHES = 256
"""Training sorts the prefixes of this many batches together; more means less padding (3 % on Diginetica)."""


def batch_of(prefixes: Prefixes, rows: Int64, max_length: int) -> Batch:
    """A batch of the prefixes at `rows` (B,), each cut to its last `max_length` known items."""
    return Batch(*prefixes.gather(rows, max_length))


def whole_sessions(sessions: list[list[int]], max_length: int) -> Batch:
    """A batch of live sessions of internal ids, cut to their last `max_length` items; skips unknown items (<= 0)."""
    known = [[item for item in session if item > 0][-max_length:] for session in sessions]
    lengths = np.array([len(session) for session in known], np.int32)
    items = np.zeros((len(known), max(1, lengths.max(initial=0))), np.int32)
    for row, session in enumerate(known):
        items[row, : len(session)] = session
    return Batch(items, lengths)


def sorted_rows(prefixes: Prefixes, size: int) -> Iterator[Int64]:
    """Rows of all prefixes in batches of `size`, shortest first; prefixes of equal length keep their order."""
    order = np.argsort(prefixes.lengths, kind="stable")
    yield from (order[start : start + size] for start in range(0, len(order), size))


def shuffled_rows(lengths: Int32, size: int, seed: int, epoch: int, counts: Int32 | None = None) -> list[Int64]:
    """Rows of `lengths` (R,) in random batches of nearly equal length; (seed, epoch) decides the order.

    A batch has `size` rows or, given `counts` (R,), rows whose counts sum to about `size`.
    """
    random = np.random.default_rng([seed, epoch])
    batches: list[Int64] = []
    for run in _cut(random.permutation(len(lengths)), size * RUN_OF_BATCHES, counts):
        batches += _cut(run[np.argsort(lengths[run], kind="stable")], size, counts)
    return [batches[index] for index in random.permutation(len(batches))]


def _cut(rows: Int64, size: int, counts: Int32 | None) -> list[Int64]:
    """Rows in order, in parts whose counts sum to about `size`; a row that crosses the limit still joins its part."""
    if counts is None:
        return [rows[start : start + size] for start in range(0, len(rows), size)]
    part = (np.cumsum(counts[rows], dtype=np.int64) - 1) // size  # (R,)
    return np.split(rows, np.flatnonzero(np.diff(part)) + 1) if len(rows) else []
