"""An Arrow column -> one Python value per item, as the kinds' `fit` and `apply` take them."""

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.preparation.features import vector
from hiersrec.preparation.times import NUMBER

NEEDS = {
    "text": "text",
    "tfidf": "text",
    "pretrained": "text",
    "categorical": "text, numbers or truth values",
    "multi": "lists of text or whole numbers, or text with a separator",
    "numeric": "numbers",
    "vector": "lists of numbers, all of one length, or come from a file by --vectors NAME=FILE.npy",
}


def is_text(type_: pa.DataType) -> bool:
    """True for string and large_string."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def is_number(type_: pa.DataType) -> bool:
    """True for integers, floats and decimals."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def is_list(type_: pa.DataType) -> bool:
    """True for lists of any or of fixed size."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def plain(name: str, kind: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[Any]:
    """Values of a column; None for null, blank text, empty lists and numbers that are not finite.

    `item(row)` names a row in errors. Raises BadInput if the column's type or a value doesn't fit the kind.
    """
    if not _fits(kind, column.type):
        raise BadInput(
            f"Metadata column '{name}' holds {column.type}, but a {kind} column must hold {NEEDS[kind]}. "
            f"Name it with the option of another kind, or leave it out with --ignore."
        )
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if kind == "vector":
        return list(vector.plain(name, column, item))
    if kind == "numeric":
        return _numbers(name, column, item)
    values = [_clean(value) for value in column.to_pylist()]
    if kind == "categorical":
        return values
    return [value if value is None or isinstance(value, list) else str(value) for value in values]


def _fits(kind: str, type_: pa.DataType) -> bool:
    scalar = is_text(type_) or is_number(type_) or pa.types.is_boolean(type_)
    if pa.types.is_null(type_):
        return True
    if kind == "vector":
        return is_list(type_) and is_number(type_.value_type) and not pa.types.is_decimal(type_.value_type)
    if kind == "multi" and is_list(type_):
        return is_text(type_.value_type) or pa.types.is_integer(type_.value_type)
    return scalar and not (kind == "categorical" and pa.types.is_decimal(type_))


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [element for element in map(_clean, value) if element is not None] or None
    missing = not value.strip() if isinstance(value, str) else isinstance(value, float) and math.isnan(value)
    return None if missing else value


def _numbers(name: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[float | None]:
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
