"""Find words that this project has given up for the field's own, and print where they stand and what to write instead.

    python tools/check_words.py [ROOT]

Reads code, comments, messages, recipes, pages and guides; not CHANGELOG.md and docs/log/, which are logs. A phrase is
found across line breaks too. The exit code is 1 if there is any.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

INSTEAD = {
    "addend": "score part",
    "alone": "only, by itself",
    "anew": "again",
    "asks for": "requires, needs",
    "beside": "next to, in addition to, besides",
    "has fashions": "say what changes with time",
    "hold likely": "predict",
    "is no number any more": "became NaN or infinite",
    "made of bytes": "int8",
    "of no use without": "ignored without",
    "of which": "a sentence of its own",
    "on the way": "meanwhile, during training",
    "pupil": "student",
    "right answer": "target, label",
    "rival": "baseline",
    "so many": "N, that many",
    "so waits": "therefore waits",
    "stands above": "precedes",
    "takes no part": "is skipped",
    "that of": "repeat the noun",
    "the numbers of": "name the quantity",
    "what is wanted": "the request",
}
"""Phrase, in lower case -> what to write."""

FOLDERS = ("src", "docs", "benchmarks")
LOG = "docs/log"
FILES = ("README.md", "RESULTS.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")
SUFFIXES = {".css", ".html", ".js", ".md", ".py", ".toml", ".txt"}

BETWEEN_WORDS = r"\s+(?:(?:#:?|//|\*|>)\s+)*"  # also where a comment or a quotation goes on in the next line
PLURALS = ("addend", "pupil", "right answer", "rival")


def _pattern() -> re.Pattern[str]:
    forms = [phrase.replace(" ", BETWEEN_WORDS) + ("s?" if phrase in PLURALS else "") for phrase in INSTEAD]
    return re.compile(r"(?<![a-z])(?:" + "|".join(forms) + r")(?![a-z])", re.IGNORECASE)


PATTERN = _pattern()
ADDRESS = re.compile(r"\]\([^)\s]*\)")


def violations(text: str) -> Iterator[tuple[int, str]]:
    """Line (from 1) and phrase of each one in the text."""
    for match in PATTERN.finditer(text):
        words = re.sub(r"[^a-z]+", " ", match[0].lower())
        yield text.count("\n", 0, match.start()) + 1, words if words in INSTEAD else words.removesuffix("s")


def texts(root: Path) -> Iterator[Path]:
    """The files to read, sorted."""
    yield from (root / name for name in FILES if (root / name).is_file())
    for folder in FOLDERS:
        paths = sorted(path for path in (root / folder).rglob("*") if path.suffix in SUFFIXES and path.is_file())
        yield from (path for path in paths if root / LOG not in path.parents)


def main(root: Path) -> int:
    """Print all violations below `root`; returns the exit code."""
    number = 0
    for path in texts(root):
        text = path.read_text(encoding="utf-8")
        # Addresses of links quote headings of the log.
        for line, phrase in violations(ADDRESS.sub("]()", text) if path.suffix == ".md" else text):
            number += 1
            sys.stdout.write(f"{path.relative_to(root)}:{line}: '{phrase}'; write: {INSTEAD[phrase]}\n")
    return int(number > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]))
