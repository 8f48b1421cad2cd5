"""Metadata columns of the items table -> tokens: categorical columns give one, text columns their first known words."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.prepare.settings import Metadata
from hiersrec.store.catalog import Feature
from hiersrec.types import Int32

MAX_WORDS = 16
"""Words of a text that are kept; product titles are shorter."""
MIN_WORD_ITEMS = 2
"""Items that must hold a word: a word of one item says no more than its id does."""
TEXT_SHARE = 0.5
"""A string column with a larger share of distinct values is taken for text."""


def kinds(items: pa.Table, metadata: Metadata, say: Callable[[str], None]) -> dict[str, str]:
    """Column -> "text", "categorical" or "display", for every column of `items`; inferred where settings don't say.

    Raises BadInput if settings name a column that is not there.
    """
    found: dict[str, str] = {}
    for option in ("text", "categorical"):
        for name in getattr(metadata, option):
            if name not in items.column_names:
                raise BadInput(
                    f"The items table has no metadata column '{name}', named by --{option}. "
                    f"{did_you_mean(name, items.column_names)}"
                )
            found[name] = option
    for name in items.column_names:
        if name not in found:
            found[name] = _inferred(items[name])
            note = ", not used as a feature; name it with --categorical to use it" if found[name] == "display" else ""
            say(f"prepare: items column '{name}' is taken for {found[name]}{note}")
    return {name: found[name] for name in items.column_names}


def _inferred(values: pa.ChunkedArray) -> str:
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return "display"
    filled = len(values) - values.null_count
    if filled == 0:
        return "display"
    return "text" if pc.count_distinct(values, mode="only_valid").as_py() > TEXT_SHARE * filled else "categorical"


def encode(name: str, kind: str, values: list[Any]) -> Feature:
    """Tokens of one column for N items. Blank text counts as missing; coverage is the share of items with a value."""
    if "/" in name or "\\" in name or name.startswith("."):
        raise BadInput(f"The metadata column '{name}' can't name a file. Rename it, or leave it out with --ignore.")
    values = [None if isinstance(value, str) and not value.strip() else value for value in values]
    tokens, vocabulary = categorical(values) if kind == "categorical" else text([str(one or "") for one in values])
    coverage = sum(value is not None for value in values) / len(values)
    return Feature(name=name, kind=kind, vocabulary=vocabulary, coverage=coverage, tokens=tokens)


def categorical(values: list[Any]) -> tuple[Int32, int]:
    """(N + 1, 1) int32 codes and how many there are with 0: values in sorted order from 1, missing 0."""
    present = sorted({value for value in values if value is not None})
    code = {value: at for at, value in enumerate(present, start=1)}
    tokens = np.array([0, *(code.get(value, 0) for value in values)], np.int32)
    return tokens[:, None], len(present) + 1


def words(value: str) -> list[str]:
    """Lower-case words of a text."""
    return re.findall(r"\w+", value.lower())


def text(values: list[str]) -> tuple[Int32, int]:
    """(N + 1, W) int32 tokens, and how many there are with 0: an item's first `MAX_WORDS` words that two items hold."""
    split = [words(value) for value in values]
    items_with = Counter(word for one in split for word in set(one))
    present = sorted(word for word, items in items_with.items() if items >= MIN_WORD_ITEMS)
    code = {word: at for at, word in enumerate(present, start=1)}
    known = [[code[word] for word in one if word in code][:MAX_WORDS] for one in split]
    tokens = np.zeros((len(values) + 1, max(1, max(map(len, known), default=0))), np.int32)
    for item, one in enumerate(known, start=1):
        tokens[item, : len(one)] = one
    return tokens, len(present) + 1
