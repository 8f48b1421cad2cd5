"""Columns of one value per item: a token per value."""

from typing import Any

import numpy as np

from hiersrec.preparation.features.codebook import Codebook
from hiersrec.types import Int32


def fit(values: list[Any]) -> Codebook:
    """Codebook of text, numbers or truth values, None where missing: "values" sorted, the first is token 1."""
    return {"values": distinct(values)}


def apply(codebook: Codebook, values: list[Any]) -> Int32:
    """(M, 1) int32 tokens; 0 for missing and unknown values."""
    token = tokens_of(codebook)
    return np.array([token.get(key(value), 0) for value in values], np.int32)[:, None]  # (M, 1)


def vocabulary(codebook: Codebook) -> int:
    """Number of tokens, 0 included."""
    return len(codebook["values"]) + 1


def distinct(values: list[Any]) -> list[Any]:
    """Distinct values, sorted, without None."""
    return sorted({key(value): value for value in values if value is not None}.values())


def tokens_of(codebook: Codebook) -> dict[str | None, int]:
    """Key of a value -> its token."""
    return {key(value): token for token, value in enumerate(codebook["values"], start=1)}


def key(value: Any) -> str | None:
    """Identity of a value: the same for 7, 7.0 and "7", because another file may store the column as another type."""
    if value is None:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
