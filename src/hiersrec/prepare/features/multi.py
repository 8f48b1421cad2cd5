"""Columns of several values per item, such as tags: a token per value, which the model averages."""

from typing import Any

from hiersrec.prepare.features import categorical
from hiersrec.prepare.features.codebook import Codebook, padded
from hiersrec.types import Int32

MAX_VALUES = 16
"""Values of an item that are kept, the first ones; as many as words of a text."""


def fit(values: list[Any], separator: str) -> Codebook:
    """Learn from lists of text or numbers, or text to cut at `separator`; None where missing.

    "values" in sorted order, token 1 is the first; "width", tokens of an item; "cut", items with more of them.
    """
    split = [_split(value, separator) for value in values]
    longest = max(map(len, split), default=0)
    return {
        "values": categorical.distinct([one for many in split for one in many]),
        "separator": separator,
        "width": max(1, min(longest, MAX_VALUES)),
        "cut": sum(len(many) > MAX_VALUES for many in split),
    }


def apply(codebook: Codebook, values: list[Any]) -> Int32:
    """(M, W) int32: the first W different values of each item that `fit` saw; then 0."""
    token = categorical.tokens_of(codebook)
    split = [_split(value, codebook["separator"]) for value in values]
    found = [[token[categorical.key(one)] for one in many if categorical.key(one) in token] for many in split]
    return padded(found, codebook["width"])


def vocabulary(codebook: Codebook) -> int:
    """Tokens and the 0."""
    return len(codebook["values"]) + 1


def _split(value: Any, separator: str) -> list[Any]:
    """Different values of an item, in its order."""
    if value is None:
        return []
    many = [one.strip() for one in value.split(separator)] if isinstance(value, str) else value
    return list({categorical.key(one): one for one in many if one is not None and one != ""}.values())
