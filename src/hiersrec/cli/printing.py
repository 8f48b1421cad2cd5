"""Results go to standard output, everything else to standard error, so that a pipe gets results alone."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 120
"""Columns where the stream is no terminal and so has no width of its own."""


def console(stream: TextIO) -> Console:
    """A console that writes plain text to files and pipes, and never guesses what to colour."""
    return Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False, markup=False, emoji=False)


def show(*parts: RenderableType) -> None:
    """Print results."""
    out = console(sys.stdout)
    for part in parts:
        out.print(part)


def show_json(document: Any) -> None:
    """Print a result as one JSON document; numbers that JSON lacks are a bug of ours."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Print one line about the work."""
    console(sys.stderr).print(text, soft_wrap=True)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], right: bool = True) -> Table:
    """A table whose first column is text; the others are numbers, set right, unless told otherwise."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for at, heading in enumerate(headings):
        made.add_column(heading, justify="right" if right and at > 0 else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made
