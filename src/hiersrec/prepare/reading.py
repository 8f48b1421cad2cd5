"""Events files of any kind -> one Parquet file of the columns we need, with row numbers, checked on the way.

Rows stream through in batches, so the table is never whole in memory; and as the rows of all parts are numbered here,
in the order of the files, every later step knows "row order" whatever engine runs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.prepare import columns, files, times
from hiersrec.prepare.engine import Engine
from hiersrec.prepare.settings import FIRST_LAST_ITEM, PrepareSettings
from hiersrec.prepare.source import Source, parts

INTEGER = r"^(0|-?[1-9]\d{0,17})$"
"""Text that is an integer and nothing else: "007" is an id of its own, not 7."""


@dataclass(frozen=True)
class Events:
    """The events, read: an Ibis table and what was found out on the way.

    table: row (int64, over all files), given (bool: from the test file), item_id, and session_id, time (float64, UTC
    seconds), position, user_id, event_type, key where there are such columns. Ids are int64 or text.
    """

    table: Any
    columns: dict[str, str]
    """Field -> column of the file."""


def read_events(engine: Engine, source: Source, settings: PrepareSettings, say: Callable[[str], None]) -> Events:
    """Read all parts of the events and of the test events. Raises BadInput, naming file, row and value."""
    listed = [(part, False) for part in parts(source.events)]
    listed += [(part, True) for part in parts(source.test_events)] if source.test_events else []
    key = None if settings.split.key == FIRST_LAST_ITEM else settings.split.key
    must_have_type = bool(settings.sessions.event_types)
    seen: set[str] = set()

    def say_once(line: str) -> None:
        if line not in seen:
            seen.add(line)
            say(line)

    found = [
        columns.find_events(settings.columns, key, must_have_type, files.schema(part).names, part, say_once)
        for part, _ in listed
    ]
    if not all("event_type" in one for one in found):
        for one in found:  # types that only some files have are of no use
            one.pop("event_type", None)
    fields, first = list(found[0]), listed[0][0].name
    for (part, _), one in zip(listed, found, strict=True):
        if set(one) != set(fields):
            raise BadInput(
                f"{part} has columns for {', '.join(sorted(one))}; {first} for {', '.join(sorted(fields))}. "
                f"All events files must have the same columns."
            )
    texts = {name: _is_text(name, listed, found) for name in fields if name != "timestamp"}
    path = engine.scratch / "events.parquet"
    # A shop's visitors are often anonymous: that matters only where users are needed.
    optional = (
        {"event_type", "user_id"} if "session_id" in fields and settings.filters.min_user_count == 1 else {"event_type"}
    )
    written = _Writer(path, texts, optional)
    for (part, given), one in zip(listed, found, strict=True):
        written.add(part, given, {name: one[name] for name in fields})
    written.close()
    return Events(_typed(engine.read(path), written, say), {name: found[0][name] for name in fields})


def _is_text(name: str, listed: list[tuple[Path, bool]], found: list[dict[str, str]]) -> bool:
    """Whether any file has this field as text (then it is written as text), having refused types that are no ids."""
    any_text = False
    for (part, _), one in zip(listed, found, strict=True):
        type_ = files.schema(part).field(one[name]).type
        value = type_.value_type if pa.types.is_dictionary(type_) else type_
        text = pa.types.is_string(value) or pa.types.is_large_string(value)
        number = pa.types.is_integer(value) or (name == "position" and pa.types.is_floating(value))
        if not text and not number:
            raise BadInput(f"{part}: column '{one[name]}' ({name}) has type {type_}. It must hold text or integers.")
        any_text |= text
    return any_text


class _Writer:
    """The Parquet file being written, with what has to be known about whole columns."""

    def __init__(self, path: Path, texts: dict[str, bool], optional: set[str]) -> None:
        self.path, self.texts, self.optional = path, texts, optional
        self.rows = 0
        self.integers = {name: True for name, text in texts.items() if text}
        self.numeric_times: bool | None = None
        self.times = (float("inf"), float("-inf"))
        """Earliest and latest, as written."""
        self.writer: pq.ParquetWriter | None = None

    def add(self, part: Path, given: bool, found: dict[str, str]) -> None:
        """Write one part."""
        start = self.rows
        for batch in files.batches(part, list(dict.fromkeys(found.values()))):
            done = self.rows - start
            arrays = {
                "row": pa.array(np.arange(self.rows, self.rows + len(batch), dtype=np.int64)),
                "given": pa.array(np.full(len(batch), given)),
            }
            for name, column in found.items():
                values = batch.column(batch.schema.get_field_index(column))
                if name == "timestamp":
                    arrays["time"] = self._times(values, part, column, done)
                else:
                    arrays[name] = self._values(name, values, part, column, done)
            table = pa.RecordBatch.from_pydict(arrays)
            self.writer = self.writer or pq.ParquetWriter(self.path, table.schema)
            self.writer.write_batch(table)
            self.rows += len(batch)
        if self.rows == start:
            raise BadInput(f"{part} has no rows. Give a file with events, or take the empty part away.")

    def close(self) -> None:
        """Finish the file."""
        assert self.writer is not None, "parts() gives at least one file, and add() refuses an empty one"
        self.writer.close()

    def _times(self, values: pa.Array, part: Path, column: str, done: int) -> pa.Array:
        try:
            found, numeric = times.parse(values)
        except times.UnparsedError as error:
            where = files.place(part, done + error.row + 1)
            raise BadInput(
                f"{where}: '{error.value}' in column '{column}' is not a time. Times are ISO-8601 such as "
                f"2016-05-09T12:30:00, or numbers of seconds, milliseconds or microseconds since 1970."
            ) from error
        if len(values):
            if self.numeric_times not in (None, numeric):
                raise BadInput(
                    f"{files.place(part, done + 1)}: column '{column}' mixes numbers and ISO-8601 times "
                    f"('{values[0].as_py()}'). Write all times in one way."
                )
            self.numeric_times = numeric
            self.times = (min(self.times[0], float(found.min())), max(self.times[1], float(found.max())))
        return pa.array(found)

    def _values(self, name: str, values: pa.Array, part: Path, column: str, done: int) -> pa.Array:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        was_integer = pa.types.is_integer(values.type)
        if not self.texts[name]:
            values = values.cast(pa.float64() if pa.types.is_floating(values.type) else pa.int64())
            empty = values.is_null(nan_is_null=True)
        else:
            values = values.cast(pa.string())
            empty = pc.fill_null(pc.equal(values, ""), True)
            if self.integers[name]:
                looks_integer = files.is_text_file(part) and pc.all(pc.match_substring_regex(values, INTEGER)).as_py()
                self.integers[name] = was_integer or looks_integer
        if name not in self.optional and pc.any(empty).as_py():
            where = files.place(part, done + pc.index(empty, True).as_py() + 1)
            raise BadInput(
                f"{where}: column '{column}' ({name}) is empty. Every event needs one: fill it in or drop the row."
            )
        if self.texts[name] and name == "position":
            bad = pc.invert(pc.match_substring_regex(values, times.NUMBER))
            if pc.any(bad).as_py():
                row = pc.index(bad, True).as_py()
                where = files.place(part, done + row + 1)
                raise BadInput(f"{where}: '{values[row].as_py()}' in column '{column}' (position) is not a number.")
        return values


def _typed(table: Any, written: _Writer, say: Callable[[str], None]) -> Any:
    """The written table with integers where all text was integers, and times in seconds."""
    changed: dict[str, Any] = {}
    for name, integers in written.integers.items():
        if integers and name != "event_type":
            changed[name] = table[name].cast("int64")
        elif name == "position":
            changed[name] = table[name].cast("float64")
    if written.numeric_times:
        first, last = written.times
        unit, per_second = times.unit_of(max(abs(first), abs(last)))
        days = " to ".join(times.day(one / per_second) for one in written.times)
        say(f"prepare: times are taken as {unit} since 1970: {days}")
        changed["time"] = table["time"] / per_second
    return table.mutate(**changed) if changed else table
