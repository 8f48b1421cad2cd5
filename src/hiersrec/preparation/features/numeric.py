"""Columns of numbers: a token per bin; bins hold about equal numbers of items."""

import numpy as np

from hiersrec.preparation.features.codebook import Codebook
from hiersrec.types import Int32

MAX_BINS = 32
"""Finer bins would hold too few items to learn from."""


def fit(values: list[float | None]) -> Codebook:
    """Codebook of finite numbers, None where missing: "edges", the minimum of every bin but the first, ascending.

    Up to `MAX_BINS` distinct numbers have a bin each. Otherwise the bin of a number is the share of items with a
    smaller one, in steps of 1 / MAX_BINS: equal numbers share a bin, and a number after a very frequent one gets a new
    bin.
    """
    numbers = np.array([value for value in values if value is not None], np.float64)
    distinct, counts = np.unique(numbers, return_counts=True)
    smaller = np.cumsum(counts) - counts
    bins = np.arange(len(distinct)) if len(distinct) <= MAX_BINS else smaller * MAX_BINS // len(numbers)
    starts = distinct[np.flatnonzero(np.diff(bins, prepend=-1))]
    return {"edges": starts[1:].tolist(), "bins": len(starts)}


def apply(codebook: Codebook, values: list[float | None]) -> Int32:
    """(M, 1) int32: bin of each number, from 1; 0 where missing. Numbers out of range get the first or last bin."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    bins = np.searchsorted(np.array(codebook["edges"], np.float64), numbers, side="right") + 1
    # A column that had no number has no bin for later ones.
    known = ~np.isnan(numbers) & (codebook["bins"] > 0)
    return np.where(known, bins, 0).astype(np.int32)[:, None]  # (M, 1)


def vocabulary(codebook: Codebook) -> int:
    """Number of tokens, 0 included."""
    return int(codebook["bins"]) + 1
