"""Files of every kind -> Arrow record batches in file order, in plain types, with every row accounted for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.frames import plain_array, plain_type
from hiersrec.preparation import json_lines, separated
from hiersrec.preparation.engine import BATCH_ROWS
from hiersrec.preparation.source import JSON_LINES, SEPARATORS, kind
from hiersrec.types import Say

NO_COLUMNS: Mapping[str, str] = {}


def is_text_file(path: Path) -> bool:
    """Whether a file is separated text, where every value is text and types must be inferred."""
    return kind(path) in SEPARATORS


def is_json(path: Path) -> bool:
    """Whether a file has one JSON object a line."""
    return kind(path) in JSON_LINES


def schema(path: Path, separator: str | None = None, constants: Mapping[str, str] = NO_COLUMNS) -> pa.Schema:
    """Names and types of a file's columns; all are text in CSV and JSON. Raises BadInput if it is empty or damaged.

    constants: columns of one value that the file itself lacks, from the names of its folders.
    """
    with _readable(path):
        if is_text_file(path):
            columns = _texts(separated.dialect(path, separator).columns)
        elif is_json(path):
            columns = _texts(json_lines.names(path))
        else:
            columns = _plain_schema(pq.read_schema(path))
            if repeated := sorted({name for name in columns.names if columns.names.count(name) > 1}):
                raise BadInput(
                    f"{path} has more than one column '{repeated[0]}'. Column names must be unique: rename one."
                )
    for name in constants:
        if name not in columns.names:
            columns = columns.append(pa.field(name, pa.string()))
    return columns


def batches(
    path: Path, columns: Sequence[str], separator: str | None = None, constants: Mapping[str, str] = NO_COLUMNS
) -> Iterator[pa.RecordBatch]:
    """Record batches of some columns of one file. Raises BadInput if the file is damaged, or rows would be lost.

    Values of CSV stay text, an empty one "". `separator` overrides the one that a text file is found to have, and
    `constants` are as in `schema`.
    """
    with _readable(path):
        own = list(columns)
        if constants:  # a column that the file has too is the file's
            names = schema(path, separator).names
            own = [name for name in columns if name in names]
        for batch in _own_batches(path, own, separator):
            arrays = {name: batch.column(number) for number, name in enumerate(own)}
            missing = {name: pa.repeat(constants[name], len(batch)) for name in columns if name not in arrays}
            yield pa.RecordBatch.from_pydict({name: {**arrays, **missing}[name] for name in columns})


def table(path: Path, separator: str | None = None, constants: Mapping[str, str] = NO_COLUMNS) -> pa.Table:
    """A whole file. Of JSON with the types of its values. Raises BadInput."""
    if is_json(path):
        with _readable(path):
            whole = json_lines.table(path)
        for name in constants:
            if name not in whole.column_names:
                whole = whole.append_column(name, pa.repeat(constants[name], len(whole)))
        return whole
    columns = schema(path, separator, constants)
    if is_text_file(path):
        return pa.Table.from_batches(list(batches(path, columns.names, separator, constants)), columns)
    with _readable(path):
        own = pq.read_schema(path)
        whole = pa.Table.from_batches(list(_own_batches(path, own.names, None, plain=False)), own)
        arrays = {name: _plain_column(whole[name]) for name in own.names}
    return pa.table({**{name: pa.repeat(value, len(whole)) for name, value in constants.items()}, **arrays})


def tell_separator(path: Path, separator: str | None, say: Say) -> None:
    """Say how a text file is cut if its name does not."""
    if is_text_file(path) and separator is None:
        with _readable(path):
            found = separated.dialect(path)
        if not found.expected:
            say(f"prepare: {path.name} is separated by {separated.NAMES[found.separator]}s")
        if found.spaced:
            say(f"prepare: in {path.name} a blank follows every separator; it is left out")


def not_empty(files: list[Path], say: Say) -> list[Path]:
    """The files that have rows: Spark writes empty parts. At least one, so that its error can be told."""
    if len(files) == 1:
        return files
    full = [file for file in files if _has_rows(file)]
    if full and (empty := len(files) - len(full)):
        say(f"prepare: {empty:,} of {len(files):,} parts are empty")
    return full or files[:1]


def _has_rows(path: Path) -> bool:
    with _readable(path):
        if kind(path) == ".parquet":
            return bool(pq.read_metadata(path).num_rows)
        return separated.has_rows(path) if is_text_file(path) else bool(separated.head(path).strip())


def _own_batches(
    path: Path, columns: list[str], separator: str | None, *, plain: bool = True
) -> Iterator[pa.RecordBatch]:
    if is_text_file(path):
        yield from separated.batches(path, columns, separator)
    elif is_json(path):
        yield from json_lines.batches(path, columns)
    else:
        rows = 0
        with pq.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=columns):
                rows += len(batch)
                batch = batch.select(columns)  # Parquet gives columns in the order of the file
                yield _plain_batch(batch) if plain else batch
            if rows != parquet.metadata.num_rows:
                raise BadInput(
                    f"{path} says that it has {parquet.metadata.num_rows:,} rows, and {rows:,} could be read. Write "
                    f"the file again."
                )


def _plain_schema(columns: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, _plain(field.type)) for field in columns])


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type that values are read as: also bytes are text, as some programs write it."""
    kind = plain_type(kind)
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return pa.string() if is_bytes else kind


def _plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    arrays = [plain_array(array).cast(_plain(array.type)) for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=_plain_schema(batch.schema))


def _plain_column(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in the type of `_plain`; bytes that are not text, such as pictures, stay bytes."""
    try:
        return pa.chunked_array(
            [plain_array(chunk).cast(_plain(chunk.type)) for chunk in values.chunks], _plain(values.type)
        )
    except pa.ArrowInvalid:
        return values


def _texts(names: Any) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the errors of damaged files into BadInput."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeError, OverflowError) as error:
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise BadInput(
            f"{path} can't be read: {why}. It is damaged, or not of the kind that its name says ({kind(path)}). Repair "
            f"the file, or write it again."
        ) from error


def location(path: Path, row: int) -> str:
    """File, row (data rows from 1) and line of a row, for messages: "events.csv, row 5 (line 6)"."""
    return f"{path}, row {row} (line {row + 1})" if is_text_file(path) else f"{path}, row {row}"
