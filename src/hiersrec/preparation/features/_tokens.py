"""What kinds with a token for each value share."""

from typing import Any

from hiersrec.preparation.codebook import Codebook


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
