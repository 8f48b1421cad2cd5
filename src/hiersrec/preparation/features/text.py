"""Columns of text: a token per word that several items share; the model averages the embeddings of an item's words."""

from collections import Counter

from hiersrec.preparation.codebook import Codebook, padded
from hiersrec.preparation.features._words import MIN_WORD_ITEMS, words
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import is_scalar
from hiersrec.types import Int32

MAX_WORDS = 16
"""Only the first words of a text are kept; product titles are shorter."""
NEEDS = "text"
OPTION = "text"
fits = is_scalar


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --text."""
    return metadata.text


def fit(values: list[str | None]) -> Codebook:
    """Codebook of texts, None where missing.

    "words" that at least `MIN_WORD_ITEMS` items hold, sorted, the first is token 1; "width" W; "cut", the number of
    items with more known words than W.
    """
    texts = [words(value or "") for value in values]
    num_items = Counter(word for text in texts for word in set(text))
    known = sorted(word for word, count in num_items.items() if count >= MIN_WORD_ITEMS)
    counts = [sum(num_items[word] >= MIN_WORD_ITEMS for word in text) for text in texts]
    width = max(1, min(max(counts, default=0), MAX_WORDS))
    return {"words": known, "width": width, "cut": sum(count > MAX_WORDS for count in counts)}


def apply(codebook: Codebook, values: list[str | None]) -> Int32:
    """(M, W) int32 tokens of the first W known words of each item, right-padded with 0."""
    token_of = {word: token for token, word in enumerate(codebook["words"], start=1)}
    tokens = [[token_of[word] for word in words(value or "") if word in token_of] for value in values]
    return padded(tokens, codebook["width"])


def vocabulary(codebook: Codebook) -> int:
    """Number of tokens, 0 included."""
    return len(codebook["words"]) + 1
