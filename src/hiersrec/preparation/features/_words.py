"""What kinds of text share: words."""

import re

MIN_WORD_ITEMS = 2
"""Items that must hold a word: a word of a single item says no more than its id."""


def words(value: str) -> list[str]:
    """Lower-case words of a text."""
    return re.findall(r"\w+", value.lower())
