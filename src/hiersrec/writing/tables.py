"""A table of formatted cells -> Markdown, LaTeX, HTML, the terminal; and its numbers as JSON.

Cells come formatted; here they are only escaped and aligned, the first column left, the others right. Markdown, LaTeX
and HTML show the best cells in bold and underline the second best; a terminal, whose text may end up in a file, writes
signs before them. A note below the table says which.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from hiersrec.errors import BadFolder
from hiersrec.frames import to_html
from hiersrec.store.folder import write_text
from hiersrec.writing.terminal import TerminalTable, plain_rows, wrap

MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\|*_`<>[]"} | {"\n": " "})
LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "}
    | {"[": "{[}", "]": "{]}"}  # a [ after the end of a row would be read as its height
    # Characters that LaTeX's text fonts lack or show as others.
    | {"<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$"}
    | {"\N{MINUS SIGN}": "$-$", "\N{MULTIPLICATION SIGN}": r"$\times$"}
)

COMMAND = "Next: "
"""Begins a text that holds a command to copy."""
WORD = re.compile(r"[^\W\d_]{2,}")
STYLED = ("is bold", "underlined")
"""The best and the second best cells where text has styles."""
PLAIN = ("is marked **", "*")
"""And in plain text. The marks stand before numbers, which are aligned right."""


@dataclass(frozen=True)
class Table:
    """Formatted cells; every row has a cell for each heading.

    best, second: (row, column), from 0, of the marked cells. notes: sentences below the table.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: AbstractSet[tuple[int, int]] = frozenset()
    second: AbstractSet[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        width = len(self.headings)
        assert all(len(row) == width for row in self.rows), "a row has more or fewer cells than there are headings"
        marked = self.best | self.second
        assert all(0 <= row < len(self.rows) and 0 <= column < width for row, column in marked), "a mark has no cell"
        assert not self.best & self.second, "a cell is the best or the second best"


def markdown(table: Table) -> str:
    """The table in GitHub's Markdown, with a line feed at the end."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    headings = [heading.translate(MARKDOWN) for heading in table.headings]
    # <ins>, since GitHub shows it underlined and drops <u>.
    rows = _cells(table, lambda cell: cell.translate(MARKDOWN), "**{}**".format, "<ins>{}</ins>".format)
    lines = [line(headings), line([":--", *["--:"] * (len(headings) - 1)]), *map(line, rows)]
    notes = "".join(f"- {note.translate(MARKDOWN)}\n" for note in _notes(table, STYLED))
    return f"**{table.title.translate(MARKDOWN)}**\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def latex(table: Table) -> str:
    r"""The table as a LaTeX float; the document needs \usepackage{booktabs}."""

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    rows = _cells(table, lambda cell: cell.translate(LATEX), r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{table.title.translate(LATEX)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
        r"\toprule",
        line([heading.translate(LATEX) for heading in table.headings]),
        r"\midrule",
        *map(line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {{\footnotesize {note.translate(LATEX)}}}" for note in _notes(table, STYLED)),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def html(table: Table) -> str:
    """The table for a notebook or a page."""
    tags = dict.fromkeys(table.best, "b") | dict.fromkeys(table.second, "u")
    return to_html(table.title, table.headings, table.rows, _notes(table, STYLED), tags)


def rich(table: Table) -> TerminalTable:
    """The table for a terminal. Columns with a sentence in a cell are text, aligned left; the others are numbers."""
    rows = plain_rows(_cells(table, str, "**{}".format, "*{}".format))
    texts = {column for row in table.rows for column, cell in enumerate(row) if len(WORD.findall(cell)) > 2}
    right = set(range(1, len(table.headings))) - texts
    return TerminalTable(table.title, table.headings, rows, right, _notes(table, PLAIN))


def show(console: Console, parts: Iterable[RenderableType | Table]) -> None:
    """Print texts and tables within the width of the console. A text that begins with COMMAND stays on one line."""
    for part in parts:
        if isinstance(part, Table):
            part = rich(part)
        elif isinstance(part, str):
            part = Text(part)
        if isinstance(part, Text) and not part.plain.startswith(COMMAND):
            part = Text("\n").join(wrap(part, console.width))
        console.print(part, soft_wrap=True)  # its lines are as they should be


def write(table: Table, document: dict[str, Any], out: Path, name: str) -> list[Path]:
    """Write NAME.md, NAME.tex and NAME.json (`document`, the numbers behind the table) into the folder `out`.

    Makes the folder if missing. Raises BadFolder if `out` is not a folder.
    """
    folder(out)
    numbers = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    texts = {out / f"{name}.md": markdown(table), out / f"{name}.tex": latex(table), out / f"{name}.json": numbers}
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def file(path: Path) -> Path:
    """A file to write, whose folder is made if missing. Raises BadFolder if that, or the file, can't be one."""
    if path.is_dir():
        raise BadFolder(f"The page is one file, but {path} is a folder. Name a file, such as {path / 'report.html'}.")
    folder(path.parent)
    return path


def folder(out: Path) -> None:
    """Make the folder for results; raises BadFolder if `out` is not a folder."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadFolder(f"Results are written into a folder, but {out} is not one. Choose another --out.") from error


def _cells(
    table: Table, escaped: Callable[[str], str], best: Callable[[str], str], second: Callable[[str], str]
) -> list[list[str]]:
    """Escaped cells, with the best and the second best marked."""

    def cell(row: int, column: int) -> str:
        text = escaped(table.rows[row][column])
        return best(text) if (row, column) in table.best else second(text) if (row, column) in table.second else text

    return [[cell(row, column) for column in range(len(table.headings))] for row in range(len(table.rows))]


def _notes(table: Table, marks: tuple[str, str]) -> tuple[str, ...]:
    """The notes, and which mark is which where there are any."""
    if not table.best:
        return table.notes
    second = f", the second best {marks[1]}" if table.second else ""
    return (f"The best {marks[0]}{second}.", *table.notes)
