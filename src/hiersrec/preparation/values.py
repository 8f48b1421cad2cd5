"""An Arrow column -> one Python value per item, as the kinds' `fit` and `apply` take them."""

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from hiersrec import registry
from hiersrec.errors import BadInput

FOLDER = "preparation.features"


def is_text(type_: pa.DataType) -> bool:
    """True for string and large_string."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def is_number(type_: pa.DataType) -> bool:
    """True for integers, floats and decimals."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def is_list(type_: pa.DataType) -> bool:
    """True for lists of any or of fixed size."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def is_scalar(type_: pa.DataType) -> bool:
    """True for text, numbers and truth values."""
    return is_text(type_) or is_number(type_) or bool(pa.types.is_boolean(type_))


def plain(name: str, kind: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[Any]:
    """Values of a column; None for null, blank text, empty lists and numbers that are not finite.

    `item(row)` names a row in errors. Raises BadInput if the column's type or a value doesn't fit the kind.
    """
    member = registry.load(FOLDER, kind)
    if pa.types.is_null(column.type):
        return [None] * len(column)
    if not member.fits(column.type):
        raise BadInput(
            f"Metadata column '{name}' holds {column.type}, but a {kind} column must hold {member.NEEDS}. "
            f"Name it with the option of another kind, or leave it out with --ignore."
        )
    if hasattr(member, "plain"):
        return list(member.plain(name, column, item))
    return [value if value is None or isinstance(value, list) else str(value) for value in cleaned(column)]


def cleaned(column: pa.ChunkedArray) -> list[Any]:
    """Values of a column as they are; None for null, blank text, empty lists and NaN."""
    return [_clean(value) for value in column.to_pylist()]


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [element for element in map(_clean, value) if element is not None] or None
    missing = not value.strip() if isinstance(value, str) else isinstance(value, float) and math.isnan(value)
    return None if missing else value
