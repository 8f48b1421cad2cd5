"""Columns of words: a token per word that several items hold; the model averages an item's first ones."""

import re
from collections import Counter

from hiersrec.prepare.features.codebook import Codebook, padded
from hiersrec.types import Int32

MAX_WORDS = 16
"""Words of a text that are kept; product titles are shorter."""
MIN_WORD_ITEMS = 2
"""Items that must hold a word: a word of one item says no more than its id does."""


def words(value: str) -> list[str]:
    """Lower-case words of a text."""
    return re.findall(r"\w+", value.lower())


def fit(values: list[str | None]) -> Codebook:
    """Learn from texts, None where missing.

    "words" that `MIN_WORD_ITEMS` items hold, in sorted order, token 1 is the first; "width", tokens of an item; "cut",
    items with more of them.
    """
    split = [words(value or "") for value in values]
    items_with = Counter(word for one in split for word in set(one))
    known = sorted(word for word, items in items_with.items() if items >= MIN_WORD_ITEMS)
    counts = [sum(items_with[word] >= MIN_WORD_ITEMS for word in one) for one in split]
    width = max(1, min(max(counts, default=0), MAX_WORDS))
    return {"words": known, "width": width, "cut": sum(count > MAX_WORDS for count in counts)}


def apply(codebook: Codebook, values: list[str | None]) -> Int32:
    """(M, W) int32: the first W known words of each item; then 0."""
    token = {word: at for at, word in enumerate(codebook["words"], start=1)}
    found = [[token[word] for word in words(value or "") if word in token] for value in values]
    return padded(found, codebook["width"])


def vocabulary(codebook: Codebook) -> int:
    """Tokens and the 0."""
    return len(codebook["words"]) + 1
