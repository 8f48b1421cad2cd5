"""Columns of several values per item, such as tags: a token per value; the model averages their embeddings."""

from typing import Any

import pyarrow as pa

from hiersrec.preparation.codebook import Codebook, padded
from hiersrec.preparation.features import _tokens
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import is_list, is_scalar, is_text
from hiersrec.types import Int32

MAX_VALUES = 16
"""Only the first values of an item are kept; as many as words of a text."""
NEEDS = "lists of text or whole numbers, or text with a separator"
OPTION = "multi"
SETTINGS = ("multi_separator",)


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --multi."""
    return metadata.multi


def fits(type_: pa.DataType) -> bool:
    """Lists, and what can be split."""
    if is_list(type_):
        return bool(is_text(type_.value_type) or pa.types.is_integer(type_.value_type))
    return is_scalar(type_)


def vocabulary(codebook: Codebook) -> int:
    """Number of tokens, 0 included."""
    return len(codebook["values"]) + 1


def fit(values: list[Any], separator: str) -> Codebook:
    """Codebook of lists of text or numbers, or of text to split at `separator`; None where missing.

    "values" sorted, the first is token 1; "width" W; "cut", the number of items with more values than W.
    """
    split = [_split(value, separator) for value in values]
    longest = max(map(len, split), default=0)
    return {
        "values": _tokens.distinct([tag for tags in split for tag in tags]),
        "separator": separator,
        "width": max(1, min(longest, MAX_VALUES)),
        "cut": sum(len(tags) > MAX_VALUES for tags in split),
    }


def apply(codebook: Codebook, values: list[Any]) -> Int32:
    """(M, W) int32 tokens of the first W distinct known values of each item, right-padded with 0."""
    token = _tokens.tokens_of(codebook)
    keys = [map(_tokens.key, _split(value, codebook["separator"])) for value in values]
    return padded([[token[key] for key in row if key in token] for row in keys], codebook["width"])


def _split(value: Any, separator: str) -> list[Any]:
    """Distinct values of an item, in its order."""
    if value is None:
        return []
    tags = [tag.strip() for tag in value.split(separator)] if isinstance(value, str) else value
    return list({_tokens.key(tag): tag for tag in tags if tag is not None and tag != ""}.values())
