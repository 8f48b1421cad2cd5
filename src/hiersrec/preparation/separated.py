"""Separated text, such as CSV and TSV -> record batches of text. PyArrow parses; csv_rows.py counts along."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from hiersrec.errors import BadInput
from hiersrec.preparation.csv_rows import RowCount
from hiersrec.preparation.source import SEPARATORS, compression, kind

CANDIDATES = (",", ";", "\t", "|")
"""Separators that are recognized in a header."""
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
HEAD = 1 << 20
BLOCK = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How the rows of a file are written."""

    separator: str
    columns: dict[str, str]
    """Name of each column -> as it stands in the file."""
    spaced: bool
    """Whether a blank follows every separator, as in "1, 2, 3"; it is no part of the values."""
    expected: bool
    """Whether the separator is the one that the name of the file implies."""


@contextmanager
def open_bytes(path: Path) -> Iterator[pa.NativeFile]:
    """A file's bytes, decompressed if its name says that they are compressed."""
    with pa.input_stream(str(path), compression=compression(path), buffer_size=BLOCK) as stream:
        yield stream


def head(path: Path) -> bytes:
    """The first bytes of a text file. Raises BadInput for UTF-16."""
    with open_bytes(path) as stream:
        first: bytes = stream.read(HEAD)
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in first[:64]:
        raise BadInput(f"{path} is not UTF-8, but UTF-16 or binary. Save it as UTF-8: iconv -f UTF-16 -t UTF-8.")
    return first.removeprefix(b"\xef\xbb\xbf")


def dialect(path: Path, separator: str | None = None) -> Dialect:
    """The dialect of a file; `separator` overrides the one that its header shows. Raises BadInput."""
    first = head(path).lstrip(b"\r\n")
    if not first.strip():
        raise BadInput(f"{path} is empty: it has no header line. Give a file with column names and rows.")
    implied = SEPARATORS[kind(path)]
    try:
        text = first[: max(first.rfind(b"\n"), first.rfind(b"\r")) + 1 or None].decode("utf-8", "surrogateescape")
        rows = {each: _header(text, each) for each in ([separator] if separator else CANDIDATES)}
    except csv.Error as error:
        raise BadInput(f"{path}: the header line can't be read: {error}. Repair it.") from error
    if separator is None:
        separator = implied if len(rows[implied]) > 1 else max(CANDIDATES, key=lambda each: len(rows[each]))
        separator = separator if len(rows[separator]) > 1 else implied
    names = rows[separator]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BadInput(f"{path}: the header line is not UTF-8. Save the file as UTF-8.") from error
    spaced = len(names) > 1 and all(name.startswith(" ") and name.strip() for name in names[1:])
    shown = [name.strip() if spaced else name for name in names]
    if repeated := sorted({name for name in shown if shown.count(name) > 1}):
        raise BadInput(f"{path} has more than one column '{repeated[0]}'. Column names must be unique: rename one.")
    return Dialect(separator, dict(zip(shown, names, strict=True)), spaced, separator == implied)


def _header(text: str, separator: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])


def has_rows(path: Path) -> bool:
    """Whether anything follows the header line."""
    first = head(path)
    return len(first.split(maxsplit=1)) > 1 and len(first.splitlines()) > 1


def batches(path: Path, columns: Sequence[str], separator: str | None = None) -> Iterator[pa.RecordBatch]:
    """Record batches of some columns as text; empty values are "". Raises BadInput."""
    written = dialect(path, separator)
    rows = RowCount(path, written.separator)
    parsed = 0
    try:
        with open_bytes(path) as stream:
            for batch in _parse(_Watched(stream, rows), written, columns):
                parsed += len(batch)
                yield batch
        counted = rows.finish() - 1
    except pa.ArrowInvalid as error:
        _check_rows(path, written.separator)  # which has the better message, if quotes are the reason
        raise BadInput(_why(path, error)) from error
    if counted != parsed:
        raise BadInput(
            f"{path} has {counted:,} rows, but {parsed:,} could be read: quotes or line ends are unusual. Write "
            f"the file again, or as Parquet."
        )


def _parse(stream: "_Watched", written: Dialect, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    names = [written.columns[name] for name in columns]
    convert = pyarrow.csv.ConvertOptions(
        include_columns=names,
        column_types=dict.fromkeys(written.columns.values(), pa.string()),
        strings_can_be_null=False,
    )
    layout = pyarrow.csv.ParseOptions(delimiter=written.separator, newlines_in_values=True)
    with pyarrow.csv.open_csv(pa.PythonFile(stream, "r"), parse_options=layout, convert_options=convert) as reader:
        for batch in reader:
            arrays = map(pc.utf8_ltrim_whitespace, batch.columns) if written.spaced else batch.columns
            yield pa.RecordBatch.from_arrays(list(arrays), names=list(columns))


class _Watched(io.RawIOBase):
    """A stream whose bytes are counted into rows while they are read."""

    def __init__(self, stream: pa.NativeFile, rows: RowCount) -> None:
        self.stream, self.rows = stream, rows

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block: bytes = self.stream.read(size)
        self.rows.feed(block)
        return block


def _check_rows(path: Path, separator: str) -> None:
    rows = RowCount(path, separator)
    with open_bytes(path) as stream:
        for block in iter(partial(stream.read, BLOCK), b""):
            rows.feed(block)
    rows.finish()


def _why(path: Path, error: pa.ArrowInvalid) -> str:
    if "invalid UTF8" in str(error):
        with open_bytes(path) as stream:
            for number, line in enumerate(io.BufferedReader(stream)):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return (
                        f"{path} can't be read: row {number} (line {number + 1}) is not UTF-8. Save the file as UTF-8."
                    )
    return f"{path} can't be read: {error}. Repair the file, or write it again."
