"""Columns of one value per item: a token per value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.features import _tokens
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import cleaned, is_scalar
from hiersrec.types import Int32

NEEDS = "text, numbers or truth values"
OPTION = "categorical"


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --categorical."""
    return metadata.categorical


def fits(type_: pa.DataType) -> bool:
    """Decimals differ by what a file makes of them."""
    return is_scalar(type_) and not pa.types.is_decimal(type_)


def plain(name: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[Any]:
    """Values as they are, None where missing."""
    del name, item
    return cleaned(column)


def fit(values: list[Any]) -> Codebook:
    """Codebook of text, numbers or truth values, None where missing: "values" sorted, the first is token 1."""
    return {"values": _tokens.distinct(values)}


def apply(codebook: Codebook, values: list[Any]) -> Int32:
    """(M, 1) int32 tokens; 0 for missing and unknown values."""
    token = _tokens.tokens_of(codebook)
    return np.array([token.get(_tokens.key(value), 0) for value in values], np.int32)[:, None]  # (M, 1)


def vocabulary(codebook: Codebook) -> int:
    """Number of tokens, 0 included."""
    return len(codebook["values"]) + 1
