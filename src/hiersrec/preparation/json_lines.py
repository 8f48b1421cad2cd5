"""JSON lines, one object a line -> record batches or a table. Whole numbers stay exact, however long they are."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import BATCH_ROWS
from hiersrec.preparation.separated import head, open_bytes

FIRST_LINES = 1000
"""Lines in which the names of the columns are looked for."""
LARGEST = 2**63 - 1
DECODER = json.JSONDecoder(parse_constant=lambda _: None)
"""Reads NaN as missing. It is made once, because making it takes longer than a line."""


def names(path: Path) -> list[str]:
    """Keys of the first lines, in the order of their appearance. Raises BadInput if there are none."""
    head(path)  # refuses UTF-16
    found = dict.fromkeys(key for line in islice(_objects(path), FIRST_LINES) for key in line)
    if not found:
        raise BadInput(f"{path} is empty. Give a file with one JSON object per line.")
    return list(found)


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches of some keys; a batch's column is int64, float64 or text. Raises BadInput, naming the line."""
    objects, done = _objects(path), 0
    while rows := list(islice(objects, BATCH_ROWS)):
        arrays = [_plain_values([row.get(column) for row in rows], path, column, done) for column in columns]
        yield pa.RecordBatch.from_arrays(arrays, names=list(columns))
        done += len(rows)


def table(path: Path) -> pa.Table:
    """The whole file, also with lists. Raises BadInput."""
    rows = list(_objects(path))
    columns = dict.fromkeys(key for row in rows for key in row)
    try:
        return pa.table({key: _any_values([row.get(key) for row in rows], path, key) for key in columns})
    except pa.ArrowException as error:
        raise BadInput(f"{path} can't be read: {error}. Write values of one type in each key.") from error


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of all lines that are not blank."""
    with open_bytes(path) as stream:
        for number, line in enumerate(io.BufferedReader(stream), start=1):
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


def _plain_values(values: list[Any], path: Path, key: str, done: int) -> pa.Array:
    """One array of numbers or text; objects and lists are refused, and numbers among texts become text."""
    kinds = {type(value) for value in values if value is not None}
    if wrong := kinds - {str, int, float}:
        row = next(row for row, value in enumerate(values) if type(value) in wrong)
        raise BadInput(
            f"{path}, row {done + row + 1}: '{key}' holds {json.dumps(values[row])[:60]}. It must be text or a number."
        )
    if kinds == {int} and all(-LARGEST <= value <= LARGEST for value in values if value is not None):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float} and kinds != {int}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([value if value is None or isinstance(value, str) else str(value) for value in values], pa.string())


def _any_values(values: list[Any], path: Path, key: str) -> pa.Array:
    if any(type(value) is int and abs(value) > LARGEST for value in values):
        return _plain_values(values, path, key, 0)
    kinds = {type(value) for value in values if value is not None}
    if str in kinds and kinds <= {str, int, float}:
        return _plain_values(values, path, key, 0)
    return pa.array(values) if kinds else pa.nulls(len(values), pa.string())
