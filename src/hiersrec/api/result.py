"""What the functions of the API return: a JSON document that shows itself as text and tables."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from html import escape
from io import StringIO
from typing import Any

from hiersrec import frames
from hiersrec.writing import tables
from hiersrec.writing.tables import Table
from hiersrec.writing.terminal import console


class Result(ABC):
    """A document, its tables, and the columns of its main table."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @abstractmethod
    def parts(self) -> Iterator[str | Table]:
        """What a person reads, in order: sentences and tables."""

    @abstractmethod
    def columns(self) -> dict[str, list[Any]]:
        """The main table as columns of plain values."""

    def to_dict(self) -> dict[str, Any]:
        """The whole document, ready for JSON."""
        return self.document

    def to_frame(self, library: str | None = None) -> Any:
        """The main table as a frame of "pandas" or "polars"; by default of the one that is installed."""
        return frames.to_frame(self.columns(), library)

    def headline(self) -> Iterator[str | Table]:
        """What the object shows when it is printed: all parts, or the first of many."""
        return self.parts()

    def __repr__(self) -> str:
        return text_of(list(self.headline()))

    def _repr_html_(self) -> str:
        parts = (tables.html(part) if isinstance(part, Table) else f"<p>{escape(part)}</p>" for part in self.headline())
        return "".join(parts)


def text_of(parts: Sequence[str | Table]) -> str:
    """Sentences and tables as plain text, as wide as the terminal."""
    stream = StringIO()
    tables.show(console(stream, coloured=False), parts)
    return stream.getvalue().rstrip("\n")


def transposed(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows of plain values as columns; None where a row lacks a key."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
