"""Text and tables within the width of a terminal: wrapped at blanks only, numbers never, no trailing blanks.

A table that is too wide wraps its headings and texts. If that is not enough, its columns are spread over several
tables, each with the first columns, which tell the rows apart; and if not even one column fits next to those, every row
becomes a list of "heading: cell". A word wider than the terminal overflows, so that an id or a path can be copied.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

GAP = 2
"""Blanks between two columns."""
READABLE = 16
"""Columns of text are not wrapped narrower than this."""
INDENT = "  "


def console(stream: TextIO, width: int | None = None, *, coloured: bool = True) -> Console:
    """A console that writes plain text to files and pipes, and never guesses what to colour; as wide as the terminal.

    In a notebook Rich would otherwise show everything as a result of the cell, whatever the stream is.
    """
    return Console(
        file=stream,
        width=width,
        color_system="auto" if coloured else None,
        highlight=False,
        markup=False,
        emoji=False,
        force_jupyter=False,
    )


@dataclass(frozen=True)
class TerminalTable:
    """Cells, one for each heading; printed by a rich Console. `right` are the columns, from 0, that are aligned right.

    These hold numbers and are never wrapped. A heading may hold line feeds. notes: sentences below the table.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Text]]
    right: AbstractSet[int]
    notes: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        del console
        width = options.max_width
        lines = [*wrap(Text(self.title, "table.title"), width), *self._body(width)]
        for line in (*lines, *(line for note in self.notes for line in wrap(Text(note), width))):
            line.no_wrap, line.overflow = True, "ignore"
            yield line

    def _body(self, width: int) -> Iterator[Text]:
        columns = range(len(self.headings))
        if (widths := self._widths(columns, width)) is not None:
            yield from self._part(columns, widths)
        elif parts := self._split(width):
            for number, (part, widths) in enumerate(parts):
                yield from [Text()] * (number > 0)
                yield from self._part(part, widths)
        else:
            for number, row in enumerate(self.rows):
                yield from [Text()] * (number > 0)
                for heading, cell in zip(self.headings, row, strict=True):
                    label = Text(heading.replace("\n", "") + ": " * bool(heading), "table.header")
                    first, *rest = wrap(Text.assemble(label, cell), width - len(INDENT))
                    yield from (first, *(Text.assemble(INDENT, line) for line in rest))

    def _split(self, width: int) -> list[tuple[list[int], list[int]]] | None:
        """Columns and their widths of each of several tables; None if a column does not fit next to the first ones."""
        total = len(self.headings)
        plain = [tuple(cell.plain for cell in row) for row in self.rows]
        keys = next((n for n in range(1, total) if len({row[:n] for row in plain}) == len(set(plain))), total - 1)
        parts: list[tuple[list[int], list[int]]] = []
        for column in range(keys, total):
            if parts and (widths := self._widths(longer := [*parts[-1][0], column], width)) is not None:
                parts[-1] = longer, widths
            elif (widths := self._widths(fresh := [*range(keys), column], width)) is not None:
                parts.append((fresh, widths))
            else:
                return None
        return parts

    def _widths(self, columns: Sequence[int], width: int) -> list[int] | None:
        """Widths that fit; None if there are none."""
        room = width - GAP * (len(columns) - 1)
        sizes = [self._sizes(column) for column in columns]
        least, widths = [size[0] for size in sizes], [size[1] for size in sizes]
        if sum(least) > room:
            return None
        while sum(widths) > room:
            widest = max((n for n in range(len(widths)) if widths[n] > least[n]), key=widths.__getitem__)
            widths[widest] -= 1
        return [self._used(column, most) for column, most in zip(columns, widths, strict=True)]

    def _sizes(self, column: int) -> tuple[int, int]:
        """The least width of a column and that without wrapping."""
        cells = [line for row in self.rows for line in row[column].plain.split("\n")]
        heading = self.headings[column]
        full = max(map(cell_len, (*cells, *heading.split("\n"))))
        if column in self.right:
            return max(map(cell_len, (*cells, *heading.split(), ""))), full
        words = (word for text in (*cells, heading) for word in text.split())
        return max(min(READABLE, full), *map(cell_len, (*words, ""))), full

    def _used(self, column: int, most: int) -> int:
        """The width that a column takes if its lines take no more than `most`."""
        cells = [Text(self.headings[column]), *(row[column] for row in self.rows)]
        return max(line.cell_len for cell in cells for line in wrap(cell, most))

    def _part(self, columns: Sequence[int], widths: Sequence[int]) -> Iterator[Text]:
        """Heading and rows of some columns."""
        headings = [
            wrap(Text(self.headings[column], "table.header"), width)
            for column, width in zip(columns, widths, strict=True)
        ]
        height = max(map(len, headings))
        yield from self._lines(columns, widths, [[Text()] * (height - len(lines)) + lines for lines in headings])
        for row in self.rows:
            cells = [wrap(row[column], width) for column, width in zip(columns, widths, strict=True)]
            yield from self._lines(columns, widths, cells)

    def _lines(self, columns: Sequence[int], widths: Sequence[int], cells: Sequence[list[Text]]) -> Iterator[Text]:
        """The lines of one row."""
        for number in range(max(map(len, cells))):
            line = Text()
            for position, (column, width) in enumerate(zip(columns, widths, strict=True)):
                piece = cells[position][number] if number < len(cells[position]) else Text()
                blanks = " " * (width - piece.cell_len)
                line.append(" " * GAP * (position > 0))
                line.append_text(Text.assemble(blanks, piece) if column in self.right else Text.assemble(piece, blanks))
            line.rstrip()
            yield line


def plain_rows(rows: Iterable[Sequence[str]]) -> list[list[Text]]:
    """Cells without any style."""
    return [[Text(cell) for cell in row] for row in rows]


def wrap(text: Text, width: int) -> list[Text]:
    """Lines of at most `width` columns, broken at blanks and line feeds; a longer word stays whole."""
    lines = []
    for line in text.split("\n", allow_blank=True):
        start = end = 0
        for word in re.finditer(r"\S+", line.plain):
            if end and cell_len(line.plain[start : word.end()]) > width:
                lines.append(line[start:end])
                start = word.start()
            end = word.end()
        lines.append(line[start:end] if end else Text())
    return lines
