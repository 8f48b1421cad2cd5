"""Columns of numbers: a token per bin; bins hold about equal numbers of items."""

import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.times import NUMBER
from hiersrec.preparation.values import is_scalar, is_text
from hiersrec.types import Int32

NEEDS = "numbers"
OPTION = "numeric"
fits = is_scalar
MAX_BINS = 32
"""Finer bins would hold too few items to learn from."""


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --numeric."""
    return metadata.numeric


def plain(name: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[float | None]:
    """Numbers of a column of numbers or text; None where missing or not finite. Raises BadInput for other text."""
    if is_text(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
        wrong = pc.fill_null(pc.invert(pc.match_substring_regex(column, NUMBER)), False)
        if pc.any(wrong).as_py():
            row = pc.index(wrong, True).as_py()
            raise BadInput(
                f"Metadata column '{name}': '{column[row]}' of {item(row)} is not a number, but a numeric column must "
                f"hold numbers. Correct it or leave it blank, or name the column with --categorical."
            )
    numbers = column.cast(pa.float64()).to_pylist()
    return [number if number is not None and math.isfinite(number) else None for number in numbers]


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
