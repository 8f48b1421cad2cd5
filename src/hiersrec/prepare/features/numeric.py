"""Columns of numbers: a token per bin of about equally many items."""

import numpy as np

from hiersrec.prepare.features.codebook import Codebook
from hiersrec.types import Int32

MAX_BINS = 32
"""Bins of a column: finer ones would hold too few items to learn from."""


def fit(values: list[float | None]) -> Codebook:
    """Learn from finite numbers, None where missing: "edges", the least number of every bin but the first, rising.

    With at most `MAX_BINS` different numbers each has its bin. Else the bin of a number is the share of the items with
    less, in steps of 1 / MAX_BINS. So equal numbers share a bin, and what follows a number of many items has another.
    """
    numbers = np.array([value for value in values if value is not None], np.float64)
    different, counts = np.unique(numbers, return_counts=True)
    less = np.cumsum(counts) - counts
    few = len(different) <= MAX_BINS
    bins = np.arange(len(different)) if few else less * MAX_BINS // len(numbers)
    starts = different[np.flatnonzero(np.diff(bins, prepend=-1))]
    return {"edges": starts[1:].tolist(), "bins": len(starts)}


def apply(codebook: Codebook, values: list[float | None]) -> Int32:
    """(M, 1) int32: the bin of each number, from 1; 0 where missing. Numbers out of range fall into the end bins."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    bins = np.searchsorted(np.array(codebook["edges"], np.float64), numbers, side="right") + 1
    # A column without any number has no bin for one that comes later.
    known = ~np.isnan(numbers) & (codebook["bins"] > 0)
    return np.where(known, bins, 0).astype(np.int32)[:, None]  # (M, 1)


def vocabulary(codebook: Codebook) -> int:
    """Bins and the 0."""
    return int(codebook["bins"]) + 1
