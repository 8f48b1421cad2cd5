"""A table of formatted cells -> Markdown, LaTeX, HTML, the terminal; and its numbers as JSON.

Cells come formatted; here they are only escaped and aligned, the first column left, the others right. The best cells
are bold, the second best underlined.
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
from hiersrec.writing.terminal import TerminalTable, wrap

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


@dataclass(frozen=True)
class Table:
    """Formatted cells; every row has a cell for each heading.

    best, second: (row, column), from 0, of the bold and the underlined cells. notes: sentences below the table.
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
    rows = _cells(table, MARKDOWN, "**{}**".format, "<ins>{}</ins>".format)
    lines = [line(headings), line([":--", *["--:"] * (len(headings) - 1)]), *map(line, rows)]
    notes = "".join(f"- {note.translate(MARKDOWN)}\n" for note in table.notes)
    return f"**{table.title.translate(MARKDOWN)}**\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def latex(table: Table) -> str:
    r"""The table as a LaTeX float; the document needs \usepackage{booktabs}."""

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    rows = _cells(table, LATEX, r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
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
        *(rf"\par {{\footnotesize {note.translate(LATEX)}}}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def html(table: Table) -> str:
    """The table for a notebook."""
    return to_html(table.title, table.headings, table.rows, table.notes)


def rich(table: Table) -> TerminalTable:
    """The table for a terminal. Columns with a sentence in a cell are text, aligned left; the others are numbers."""
    rows = [
        [Text(cell, _style(table, row, column)) for column, cell in enumerate(cells)]
        for row, cells in enumerate(table.rows)
    ]
    texts = {column for row in table.rows for column, cell in enumerate(row) if len(WORD.findall(cell)) > 2}
    return TerminalTable(table.title, table.headings, rows, set(range(1, len(table.headings))) - texts, table.notes)


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
    table: Table, escapes: dict[int, str], bold: Callable[[str], str], underlined: Callable[[str], str]
) -> list[list[str]]:
    """Escaped cells, with the best and the second best marked."""
    marks: dict[str, Callable[[str], str]] = {"bold": bold, "underline": underlined, "": str}
    return [
        [marks[_style(table, row, column)](cell.translate(escapes)) for column, cell in enumerate(cells)]
        for row, cells in enumerate(table.rows)
    ]


def _style(table: Table, row: int, column: int) -> str:
    return "bold" if (row, column) in table.best else "underline" if (row, column) in table.second else ""
