"""Events files of any kind -> one checked Parquet file of the columns we need, with row numbers.

Rows are streamed in batches, so the table is never whole in memory. They are numbered across all parts in file order,
so every later step knows the order of rows, whatever engine runs it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.preparation import columns, files, times
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.settings import FIRST_LAST_ITEM, PrepareSettings
from hiersrec.preparation.source import Source, parts
from hiersrec.types import Say

INTEGER = r"^(0|-?[1-9]\d{0,17})$"
"""Text that is an integer in canonical form: "007" is an id of its own, not 7."""


@dataclass(frozen=True)
class Events:
    """The events as read."""

    table: Any
    """Ibis table: row (int64, over all files), from_test_file (bool), item_id, and, if the files have them, session_id,
    time (float64, UTC seconds), position, user_id, event_type, key. Ids are int64 or text."""
    columns: dict[str, str]
    """Field -> column of the file."""


def read_events(engine: Engine, source: Source, settings: PrepareSettings, say: Say) -> Events:
    """Read all parts of the events and of the test events. Raises BadInput, naming file, row and value."""
    train_files, test_files = parts(source.events), parts(source.test_events) if source.test_events else []
    all_files = [*train_files, *test_files]
    key = None if settings.split.key == FIRST_LAST_ITEM else settings.split.key
    must_have_type = bool(settings.sessions.event_types)
    said: set[str] = set()

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    mappings = [
        columns.find_events(settings.columns, key, must_have_type, files.schema(file).names, file, say_once)
        for file in all_files
    ]
    if not all("event_type" in mapping for mapping in mappings):
        for mapping in mappings:  # types that only some files have can't be used
            mapping.pop("event_type", None)
    fields, first = list(mappings[0]), all_files[0].name
    for file, mapping in zip(all_files, mappings, strict=True):
        if set(mapping) != set(fields):
            raise BadInput(
                f"{file} has columns for {', '.join(sorted(mapping))}; {first} for {', '.join(sorted(fields))}. "
                f"All events files must have the same columns."
            )
    texts = {field: _is_text(field, all_files, mappings) for field in fields if field != "timestamp"}
    path = engine.scratch / "events.parquet"
    # A shop's visitors are often anonymous, which matters only where users are needed.
    optional = {"event_type"}
    if "session_id" in fields and settings.filters.min_user_count == 1:
        optional.add("user_id")
    writer = _Writer(path, texts, optional)
    for number, (file, mapping) in enumerate(zip(all_files, mappings, strict=True)):
        writer.add(file, number >= len(train_files), {field: mapping[field] for field in fields})
    writer.close()
    return Events(_typed(engine.read(path), writer, say), {field: mappings[0][field] for field in fields})


def _is_text(field: str, all_files: list[Path], mappings: list[dict[str, str]]) -> bool:
    """Whether any file has this field as text, so that it is written as text. Raises BadInput for unusable types."""
    any_text = False
    for file, mapping in zip(all_files, mappings, strict=True):
        column = mapping[field]
        type_ = files.schema(file).field(column).type
        value = type_.value_type if pa.types.is_dictionary(type_) else type_
        text = pa.types.is_string(value) or pa.types.is_large_string(value)
        number = pa.types.is_integer(value) or (field == "position" and pa.types.is_floating(value))
        if not text and not number:
            raise BadInput(f"{file}: column '{column}' ({field}) has type {type_}. It must hold text or integers.")
        any_text |= text
    return any_text


class _Writer:
    """Writes the Parquet file, and collects facts about whole columns."""

    def __init__(self, path: Path, texts: dict[str, bool], optional: set[str]) -> None:
        self.path, self.texts, self.optional = path, texts, optional
        self.rows = 0
        self.integers = {field: True for field, is_text in texts.items() if is_text}
        """Whether every text so far is an integer."""
        self.numeric_times: bool | None = None
        self.times = (float("inf"), float("-inf"))
        """Earliest and latest, as written."""
        self.writer: pq.ParquetWriter | None = None

    def add(self, file: Path, is_test: bool, mapping: dict[str, str]) -> None:
        """Append one file; `mapping` is field -> column."""
        start = self.rows
        for batch in files.batches(file, list(dict.fromkeys(mapping.values()))):
            done = self.rows - start
            arrays = {
                "row": pa.array(np.arange(self.rows, self.rows + len(batch), dtype=np.int64)),
                "from_test_file": pa.array(np.full(len(batch), is_test)),
            }
            for field, column in mapping.items():
                values = batch.column(batch.schema.get_field_index(column))
                if field == "timestamp":
                    arrays["time"] = self._times(values, file, column, done)
                else:
                    arrays[field] = self._values(field, values, file, column, done)
            table = pa.RecordBatch.from_pydict(arrays)
            self.writer = self.writer or pq.ParquetWriter(self.path, table.schema)
            self.writer.write_batch(table)
            self.rows += len(batch)
        if self.rows == start:
            raise BadInput(f"{file} has no rows. Give a file with events, or remove the empty part.")

    def close(self) -> None:
        assert self.writer is not None, "parts() gives at least one file, and add() refuses an empty one"
        self.writer.close()

    def _times(self, values: pa.Array, file: Path, column: str, done: int) -> pa.Array:
        """Times of a batch; `done` rows of the file precede it."""
        try:
            parsed, is_numeric = times.parse(values)
        except times.UnparsedError as error:
            raise BadInput(
                f"{files.location(file, done + error.row + 1)}: '{error.value}' in column '{column}' is not a time. "
                f"Times are ISO-8601 such as 2016-05-09T12:30:00, or numbers of seconds, milliseconds or microseconds "
                f"since 1970."
            ) from error
        if len(values):
            if self.numeric_times not in (None, is_numeric):
                raise BadInput(
                    f"{files.location(file, done + 1)}: column '{column}' mixes numbers and ISO-8601 times "
                    f"('{values[0].as_py()}'). Write all times in one format."
                )
            self.numeric_times = is_numeric
            self.times = (min(self.times[0], float(parsed.min())), max(self.times[1], float(parsed.max())))
        return pa.array(parsed)

    def _values(self, field: str, values: pa.Array, file: Path, column: str, done: int) -> pa.Array:
        """Values of another field of a batch; `done` rows of the file precede it."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        was_integer = pa.types.is_integer(values.type)
        if not self.texts[field]:
            values = values.cast(pa.float64() if pa.types.is_floating(values.type) else pa.int64())
            empty = values.is_null(nan_is_null=True)
        else:
            values = values.cast(pa.string())
            empty = pc.fill_null(pc.equal(values, ""), True)
            if self.integers[field]:
                looks_integer = files.is_text_file(file) and pc.all(pc.match_substring_regex(values, INTEGER)).as_py()
                self.integers[field] = was_integer or looks_integer
        if field not in self.optional and pc.any(empty).as_py():
            location = files.location(file, done + pc.index(empty, True).as_py() + 1)
            raise BadInput(
                f"{location}: column '{column}' ({field}) is empty. Every event needs one: fill it in or drop the row."
            )
        if self.texts[field] and field == "position":
            bad = pc.invert(pc.match_substring_regex(values, times.NUMBER))
            if pc.any(bad).as_py():
                row = pc.index(bad, True).as_py()
                raise BadInput(
                    f"{files.location(file, done + row + 1)}: '{values[row].as_py()}' in column '{column}' (position) "
                    f"is not a number. Write a number, or leave the column out and name one with --timestamp."
                )
        return values


def _typed(table: Any, writer: _Writer, say: Say) -> Any:
    """The written table with integers where all text was integers, and times in seconds."""
    changed: dict[str, Any] = {}
    for field, all_integers in writer.integers.items():
        if all_integers and field != "event_type":
            changed[field] = table[field].cast("int64")
        elif field == "position":
            changed[field] = table[field].cast("float64")
    if writer.numeric_times:
        unit, per_second = times.unit_of(max(map(abs, writer.times)))
        days = " to ".join(times.day(time / per_second) for time in writer.times)
        say(f"prepare: times are read as {unit} since 1970: {days}")
        changed["time"] = table["time"] / per_second
    return table.mutate(**changed) if changed else table
