"""JSON lines, one object a line -> record batches or a table. Whole numbers stay exact, however long they are.

Python's decoder says what a line holds; json_blocks.py reads most blocks of lines, with the same result.
"""

import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.preparation import json_blocks
from hiersrec.preparation.json_blocks import LARGEST
from hiersrec.preparation.separated import head, open_bytes

FIRST_LINES = 1000
"""Lines in which the names of the columns are looked for."""
TYPED_LINES = 100
"""Lines that tell the types of a file's columns."""
BATCH_BYTES = 1 << 23
DECODER = json.JSONDecoder(parse_constant=lambda _: None)
"""Reads NaN as missing. It is made once, because making it takes longer than a line."""


def names(path: Path) -> list[str]:
    """Keys of the first lines, in the order of their appearance. Raises BadInput if there are none."""
    head(path)  # refuses UTF-16
    with _open_lines(path) as stream:
        found = dict.fromkeys(key for row in _objects(islice(stream, FIRST_LINES), path) for key in row)
    if not found:
        raise BadInput(f"{path} is empty. Give a file with one JSON object per line.")
    return list(found)


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches of some keys; a batch's column is int64, float64 or text. Raises BadInput, naming the line."""
    schema: pa.Schema | None = None
    read = done = 0
    with _open_lines(path) as stream:
        while lines := stream.readlines(BATCH_BYTES):
            if not read:
                lines[0] = lines[0].removeprefix(BOM_UTF8)
                schema = _decoded(lines[:TYPED_LINES], path, columns, 0, 0).schema
            batch = json_blocks.parse(lines, schema)
            if batch is None:
                batch = _decoded(lines, path, columns, read, done)
            schema, read, done = batch.schema, read + len(lines), done + len(batch)
            yield batch


def _decoded(lines: list[bytes], path: Path, columns: Sequence[str], read: int, done: int) -> pa.RecordBatch:
    """A batch by Python's decoder, after `read` lines, `done` of them with an object."""
    rows = list(_objects(lines, path, read))
    arrays = [_plain_values([row.get(column) for row in rows], path, column, done) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def lists(path: Path, column: str | None, key: str) -> Iterator[tuple[pa.Array | None, pa.Array]]:
    """In batches: the values of a column, as `batches` has them, None without one, and the lists of ids of a key.

    Ids are int64, or text if some are. Raises BadInput, naming the row, for a value that is no such list.
    """
    read = done = 0
    with _open_lines(path) as stream:
        while lines := stream.readlines(BATCH_BYTES):
            rows = list(_objects(lines, path, read))
            values = [row.get(key) for row in rows]
            for row, value in enumerate(values, start=done + 1):
                if not (value is None or (isinstance(value, list) and {*map(type, value)} <= {str, int, type(None)})):
                    raise BadInput(
                        f"{path}, row {row}: '{key}' holds {json.dumps(value)[:60]}. It must be a list of item ids, "
                        "which are text or whole numbers."
                    )
            offsets = [0, *accumulate(len(value or ()) for value in values)]
            flat = _plain_values([item for value in values for item in value or ()], path, key, None)
            ids = None if column is None else _plain_values([row.get(column) for row in rows], path, column, done)
            yield ids, pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)
            read, done = read + len(lines), done + len(rows)


def table(path: Path) -> pa.Table:
    """The whole file, also with lists. Raises BadInput."""
    with _open_lines(path) as stream:
        rows = list(_objects(stream, path))
    columns = dict.fromkeys(key for row in rows for key in row)
    try:
        return pa.table({key: _any_values([row.get(key) for row in rows], path, key) for key in columns})
    except pa.ArrowException as error:
        raise BadInput(f"{path} can't be read: {error}. Write values of one type in each key.") from error


@contextmanager
def _open_lines(path: Path) -> Iterator[io.BufferedReader]:
    with open_bytes(path) as stream, io.BufferedReader(stream, BATCH_BYTES) as lines:
        yield lines


def _objects(lines: Iterable[bytes], path: Path, read: int = 0) -> Iterator[dict[str, Any]]:
    """The objects of all lines that are not blank; `read` lines of the file precede these."""
    for number, line in enumerate(lines, start=read + 1):
        if not line.strip():
            continue
        try:
            row = DECODER.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (ValueError, RecursionError) as error:
            hint = " It seems to be one JSON array: write its objects, each in a line." if line[:1] == b"[" else ""
            raise BadInput(f"{path}, line {number} is not JSON: {error}.{hint} Repair the line.") from error
        if not isinstance(row, dict):
            raise BadInput(f'{path}, line {number} is not a JSON object such as {{"item_id": 5}}. Repair it.')
        yield row


def _plain_values(values: list[Any], path: Path, key: str, done: int | None) -> pa.Array:
    """One array of numbers or text; objects and lists are refused, and numbers among texts become text.

    done: rows of the file before these values; None if they are not one a row, for messages that name no row.
    """
    kinds = {type(value) for value in values if value is not None}
    if wrong := kinds - {str, int, float}:
        row = next(row for row, value in enumerate(values) if type(value) in wrong)
        raise BadInput(
            f"{_location(path, done, row)}: '{key}' holds {json.dumps(values[row])[:60]}. It must be text or a number."
        )
    if kinds == {int} and all(-LARGEST <= value <= LARGEST for value in values if value is not None):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float} and kinds != {int}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    texts = [value if value is None or isinstance(value, str) else str(value) for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError as error:  # JSON can spell them, and UTF-8 can't hold them
        row = texts.index(error.object)
        raise BadInput(
            f"{_location(path, done, row)}: '{key}' holds {json.dumps(error.object)[:60]}, half of a character. "
            f"Repair it."
        ) from error


def _location(path: Path, done: int | None, row: int) -> str:
    return str(path) if done is None else f"{path}, row {done + row + 1}"


def _any_values(values: list[Any], path: Path, key: str) -> pa.Array:
    if any(type(value) is int and abs(value) > LARGEST for value in values):
        return _plain_values(values, path, key, 0)
    kinds = {type(value) for value in values if value is not None}
    if str in kinds and kinds <= {str, int, float}:
        return _plain_values(values, path, key, 0)
    return pa.array(values) if kinds else pa.nulls(len(values), pa.string())
