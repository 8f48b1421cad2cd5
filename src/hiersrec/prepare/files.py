"""CSV, TSV and Parquet files -> Arrow record batches, in the order of the file, a fixed number of rows at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.prepare.engine import BATCH_ROWS
from hiersrec.prepare.source import kind


def is_text_file(path: Path) -> bool:
    """Whether a file is CSV or TSV, where every value is text and numbers are only guessed."""
    return kind(path) != ".parquet"


def schema(path: Path, separator: str | None = None) -> pa.Schema:
    """Names and types of a file's columns; all are text in CSV. Raises BadInput if it is empty or damaged."""
    try:
        if is_text_file(path):
            with _open_csv(path, (), separator) as reader:
                found = reader.schema
        else:
            found = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error
    if twice := sorted({name for name in found.names if found.names.count(name) > 1}):
        raise BadInput(f"{path} has more than one column '{twice[0]}'. Column names must be unique: rename one.")
    return found


def batches(path: Path, columns: Sequence[str], separator: str | None = None) -> Iterator[pa.RecordBatch]:
    """Record batches of some columns of one file. Raises BadInput if the file is damaged.

    Values of CSV stay text, an empty one "". `separator` is for CSV cut by another character than its name says.
    """
    try:
        if is_text_file(path):
            with _open_csv(path, columns, separator) as reader:
                yield from reader
        else:
            with pq.ParquetFile(path) as parquet:
                yield from parquet.iter_batches(BATCH_ROWS, columns=list(columns))
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error


def _open_csv(path: Path, columns: Sequence[str], separator: str | None = None) -> csv.CSVStreamingReader:
    separator = separator or ("\t" if ".tsv" in path.name.lower() else ",")
    dialect = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    names = _header(path, dialect)
    convert = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    return csv.open_csv(path, parse_options=dialect, convert_options=convert)


def _header(path: Path, dialect: csv.ParseOptions) -> list[str]:
    with csv.open_csv(path, parse_options=dialect) as reader:
        names: list[str] = reader.schema.names
    return names


def _unreadable(path: Path, error: pa.ArrowInvalid) -> BadInput:
    if "Empty CSV" in str(error):
        return BadInput(f"{path} is empty: it has no header line. Give a file with column names and rows.")
    return BadInput(f"{path} can't be read as its name says: {error}. Mend the file, or write it anew.")


def place(path: Path, row: int) -> str:
    """Where a data row (from 1) stands: "events.csv, row 5 (line 6)"."""
    return f"{path}, row {row} (line {row + 1})" if is_text_file(path) else f"{path}, row {row}"
