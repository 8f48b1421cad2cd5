"""Results go to standard output, everything else to standard error, so that a pipe gets only results."""

import codecs
import io
import json
import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console, RenderableType
from typer import Exit

from hiersrec.writing import tables, terminal
from hiersrec.writing.tables import Table

WIDTH = 80
"""Columns where the stream is not a terminal, which has no width of its own, and COLUMNS is not set.

A file or a pipe then gets the same on every machine, and as wide as it would stand in most terminals."""


SIMILAR = {"█": "#", "─": "-", "━": "-", "\u2013": "-", "…": ".", "·": ".", "→": ">", "≤": "<", "≥": ">", "\u00d7": "x"}
"""Characters of tables and bars in ASCII."""


def console(stream: TextIO) -> Console:
    """The console of a stream, as wide as the environment's COLUMNS says, or else as the terminal."""
    width = None if stream.isatty() or os.environ.get("COLUMNS", "").isdecimal() else WIDTH  # None: Rich finds out
    return terminal.console(stream, width)


def show(*parts: RenderableType | Table) -> None:
    """Print results."""
    tables.show(console(sys.stdout), parts)


def result(document: Any, as_json: bool, *parts: RenderableType | Table) -> None:
    """Print a result, as one JSON document or as text and tables."""
    if as_json:
        show_json(document)
    else:
        show(*parts)


def show_json(document: Any) -> None:
    """Print a result as one JSON document, escaped where the output is not Unicode; NaN would be a bug of ours."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=not is_unicode, allow_nan=False) + "\n")


def allow_any_encoding() -> None:
    """Let streams that can't show a character show a similar one, or a question mark, in place of an error."""
    codecs.register_error("similar", lambda error: (_similar(error), error.end))  # type: ignore[attr-defined]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="similar")


def _similar(error: UnicodeError) -> str:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SIMILAR.get(character, "?") for character in error.object[error.start : error.end])


def say(text: str) -> None:
    """Print one line about the work."""
    console(sys.stderr).print(text, soft_wrap=True)


def stopped(words: Iterable[str] | None) -> Exit:
    """Say which command continues the work that Ctrl-C stopped, None if none does; returns the exit to raise."""
    say("Stopped." if words is None else f"Stopped. Continue with: {shlex.join(words)}")
    return Exit(130)


def flush() -> None:
    """Write out what was printed; where that fails, Python's exit must not try, and complain, once more."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):  # a stream of a test has no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
