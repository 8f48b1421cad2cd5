"""CSV, TSV and Parquet files -> Arrow record batches in file order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import BATCH_ROWS
from hiersrec.preparation.source import kind


def is_text_file(path: Path) -> bool:
    """Whether a file is CSV or TSV, where every value is text and types must be inferred."""
    return kind(path) != ".parquet"


def schema(path: Path, separator: str | None = None) -> pa.Schema:
    """Names and types of a file's columns; all are text in CSV. Raises BadInput if it is empty or damaged."""
    try:
        if is_text_file(path):
            with _open_csv(path, (), separator) as reader:
                columns = reader.schema
        else:
            columns = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from error
    if repeated := sorted({name for name in columns.names if columns.names.count(name) > 1}):
        raise BadInput(f"{path} has more than one column '{repeated[0]}'. Column names must be unique: rename one.")
    return columns


def batches(path: Path, columns: Sequence[str], separator: str | None = None) -> Iterator[pa.RecordBatch]:
    """Record batches of some columns of one file. Raises BadInput if the file is damaged.

    Values of CSV stay text, an empty one "". `separator` overrides the one that the name of a text file implies.
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
    with csv.open_csv(path, parse_options=dialect) as reader:
        names = reader.schema.names
    convert = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    return csv.open_csv(path, parse_options=dialect, convert_options=convert)


def _unreadable(path: Path, error: pa.ArrowInvalid) -> BadInput:
    if "Empty CSV" in str(error):
        return BadInput(f"{path} is empty: it has no header line. Give a file with column names and rows.")
    return BadInput(f"{path} can't be read: {error}. Repair the file, or write it again.")


def location(path: Path, row: int) -> str:
    """File, row (data rows from 1) and line of a row, for messages: "events.csv, row 5 (line 6)"."""
    return f"{path}, row {row} (line {row + 1})" if is_text_file(path) else f"{path}, row {row}"
