"""A table of ready cells -> Markdown, LaTeX, a terminal; and its numbers beside it as JSON.

Whoever makes a table formats its cells; here they are only set and escaped. The first column is set left, the others
right. The best cells are bold, the second best underlined.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable
from rich.text import Text

from hiersrec.errors import BadFolder
from hiersrec.store.folder import write_text

MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\|*_`<>[]"} | {"\n": " "})
LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "}
    | {"[": "{[}", "]": "{]}"}  # a [ after the end of a row would be its height
    # Signs that LaTeX's text fonts lack, or show as others.
    | {"<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$"}
    | {"\N{MINUS SIGN}": "$-$", "\N{MULTIPLICATION SIGN}": r"$\times$"}
)


@dataclass(frozen=True)
class Table:
    """Cells as people read them; every row has a cell for each heading.

    best, second: (row, column), from 0, of the cells that are set bold and underlined. notes: sentences below.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()
    second: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wide = len(self.headings)
        assert all(len(row) == wide for row in self.rows), "a row has more or fewer cells than there are headings"
        marked = self.best | self.second
        assert all(0 <= row < len(self.rows) and 0 <= column < wide for row, column in marked), "a mark has no cell"
        assert not self.best & self.second, "a cell is the best or the second best"


def markdown(table: Table) -> str:
    """The table in GitHub's Markdown, with a line feed at the end."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    headings = [_markdown(heading) for heading in table.headings]
    # <ins>, since GitHub shows it underlined and throws <u> away.
    rows = _cells(table, _markdown, "**{}**".format, "<ins>{}</ins>".format)
    lines = [line(headings), line([":--", *["--:"] * (len(headings) - 1)]), *map(line, rows)]
    notes = "".join(f"- {_markdown(note)}\n" for note in table.notes)
    return f"**{_markdown(table.title)}**\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def latex(table: Table) -> str:
    r"""The table as a LaTeX float; the document needs \usepackage{booktabs}."""

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    rows = _cells(table, _latex, r"\textbf{{{}}}".format, r"\underline{{{}}}".format)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
        r"\toprule",
        line([_latex(heading) for heading in table.headings]),
        r"\midrule",
        *map(line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {{\footnotesize {_latex(note)}}}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def rich(table: Table) -> RichTable:
    """The table for a terminal."""
    made = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    if table.notes:
        made.caption, made.caption_justify, made.caption_style = Text("\n".join(table.notes)), "left", ""
    for at, heading in enumerate(table.headings):
        made.add_column(heading, justify="right" if at > 0 else "left", overflow="fold")
    for row, cells in enumerate(table.rows):
        # Assembled, since the style of a whole Text underlines the blanks before a number too.
        made.add_row(*(Text.assemble((cell, _style(table, row, column))) for column, cell in enumerate(cells)))
    return made


def write(table: Table, document: dict[str, Any], out: Path, name: str) -> list[Path]:
    """Write NAME.md, NAME.tex and NAME.json (`document`, the numbers behind the table) into the folder `out`.

    Makes the folder where there is none. Raises BadFolder if `out` is something else.
    """
    folder(out)
    numbers = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    texts = {out / f"{name}.md": markdown(table), out / f"{name}.tex": latex(table), out / f"{name}.json": numbers}
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def folder(out: Path) -> None:
    """Make the folder that results are written into; raises BadFolder if `out` is something else."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadFolder(f"Results are written into a folder, and {out} is none. Choose another --out.") from error


def _cells(
    table: Table, escape: Callable[[str], str], bold: Callable[[str], str], underlined: Callable[[str], str]
) -> list[list[str]]:
    """The cells, escaped; the best and the second best marked."""
    marks: dict[str, Callable[[str], str]] = {"bold": bold, "underline": underlined, "": str}
    return [
        [marks[_style(table, row, column)](escape(cell)) for column, cell in enumerate(cells)]
        for row, cells in enumerate(table.rows)
    ]


def _style(table: Table, row: int, column: int) -> str:
    return "bold" if (row, column) in table.best else "underline" if (row, column) in table.second else ""


def _markdown(text: str) -> str:
    return text.translate(MARKDOWN)


def _latex(text: str) -> str:
    return text.translate(LATEX)
