"""Rows of separated text, counted apart from the parser that reads them.

A parser takes a quote that is never closed for a value that goes on to the end of the file, and says nothing. So the
bytes that it reads are also looked at here: every quote that opens a value must be closed, and a separator or the end
of the row must follow. The parser must have read as many rows.
"""

from pathlib import Path

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.types import Int64

QUOTE = b'"'
LONGEST_ROW = 1 << 24
"""Bytes. A row that is longer has an unclosed quote."""


class RowCount:
    """Counts the rows in blocks of bytes; blank lines are none. Quotes are checked where there are any."""

    def __init__(self, path: Path, separator: str) -> None:
        self.path = path
        self.ends = tuple(b"\r\n" + separator.encode())
        """Bytes that may be next to the quotes of a value."""
        self.rows = 0
        """Rows so far, with the header."""
        self.rest = b""
        """The start of a row whose end is not read yet."""
        self.started = False

    def feed(self, block: bytes) -> None:
        """Count the rows of the next block. Raises BadInput, naming the row."""
        if not self.started:
            block, self.started = block.removeprefix(b"\xef\xbb\xbf"), True
        self._count(self.rest + block)
        if len(self.rest) > LONGEST_ROW:
            raise self._unclosed()

    def finish(self) -> int:
        """The number of rows, with the header. Raises BadInput if a quote is open."""
        if self.rest:
            self._count(self.rest + b"\n")
            if self.rest:
                raise self._unclosed()
        return self.rows

    def _count(self, data: bytes) -> None:
        codes = np.frombuffer(data, np.uint8)
        is_end = codes == ord("\n")
        if b"\r" in data:
            is_end |= codes == ord("\r")
        ends: Int64 = np.flatnonzero(is_end)
        if QUOTE in data:
            quotes = np.flatnonzero(codes == ord(QUOTE))
            if not self._well_formed(codes, quotes, ends):
                quotes = self._pair(data, is_end)
            ends = ends[np.searchsorted(quotes, ends) % 2 == 0]  # line ends inside quotes are part of a value
        if not len(ends):
            self.rest = data
            return
        follows_end = np.zeros(len(ends), bool)
        follows_end[0] = ends[0] == 0
        follows_end[1:] = ends[1:] == ends[:-1] + 1
        self.rows += int(len(ends) - follows_end.sum())
        self.rest = data[ends[-1] + 1 :]

    def _well_formed(self, codes: np.ndarray, quotes: Int64, ends: Int64) -> bool:
        """Whether all quotes up to the last end of a row enclose values, or are doubled inside of one."""
        outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
        if not len(outside):
            return False
        quotes = quotes[: np.searchsorted(quotes, outside[-1])]
        before = np.where(quotes > 0, codes[quotes - 1], ord("\n"))[0::2]
        after = codes[quotes + 1][1::2]
        allowed = np.array([*self.ends, ord(QUOTE)], np.uint8)
        return bool(np.isin(before, allowed).all() and np.isin(after, allowed).all())

    def _pair(self, data: bytes, is_end: np.ndarray) -> Int64:
        """Positions of the quotes that open and close values, in turn; the last may be open. Raises BadInput.

        Quotes in the middle of a value that began without one, as in 19" rack, are plain text.
        """
        pairs: list[int] = []
        start = data.find(QUOTE)
        while start >= 0:
            if start and data[start - 1] not in self.ends:
                start = data.find(QUOTE, start + 1)
                continue
            end = data.find(QUOTE, start + 1)
            while end >= 0 and data[end + 1 : end + 2] == QUOTE:
                end = data.find(QUOTE, end + 2)
            pairs.append(start)
            if end < 0 or end + 1 == len(data):  # closed or not, later blocks say
                break
            if data[end + 1] not in self.ends:
                raise self._stray(data, start, end, is_end, pairs[:-1])
            pairs.append(end)
            start = data.find(QUOTE, end + 1)
        return np.array(pairs, np.int64)

    def _stray(self, data: bytes, start: int, end: int, is_end: np.ndarray, pairs: list[int]) -> BadInput:
        ends = np.flatnonzero(is_end[:start])
        ends = ends[np.searchsorted(np.array(pairs, np.int64), ends) % 2 == 0]
        row = self.rows + sum(
            1 for place, end_ in enumerate(ends) if end_ and not (place and ends[place - 1] == end_ - 1)
        )
        text = data[end + 1 : end + 20].decode("utf-8", "replace").splitlines()[0]
        if data[end - 1 : end] == b"\\":
            return BadInput(
                f"{self.path}, row {row}: a quote inside of a value is written as \\\", before '{text}'. It must be "
                f'doubled (""), or later rows would be lost: in Spark write with .option("escape", "\\""), in MySQL '
                f"with ESCAPED BY '\"'; or write Parquet."
            )
        return BadInput(
            f"{self.path}, row {row}: after a value in quotes comes '{text}' in place of a separator. A quote that is "
            f'opened here is not closed, or one inside of the value is not doubled (""): repair the row.'
        )

    def _unclosed(self) -> BadInput:
        return BadInput(
            f"{self.path}, row {self.rows}: a quote that is opened in this row is not closed, so all rows after it "
            f'would be lost. Close it, or double it ("") if it is part of the value.'
        )
