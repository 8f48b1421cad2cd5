"""Events files of any kind -> one checked Parquet file of the columns we need, with row numbers.

Rows are streamed in batches, so the table is never whole in memory. They are numbered across all parts in file order,
so every later step knows the order of rows, whatever engine runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.preparation import columns, files, times
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.events_writer import FINE, EventsWriter, Part, TimesDifferError
from hiersrec.preparation.settings import FIRST_LAST_ITEM, PrepareSettings
from hiersrec.preparation.source import Source, folder_columns, parts
from hiersrec.types import Say


@dataclass(frozen=True)
class Events:
    """The events as read."""

    table: Any
    """Ibis table: row (int64, over all files), from_test_file (bool), item_id, and, if the files have them, session_id,
    time (float64, UTC seconds), position, user_id, event_type, key. Ids are int64 or text. Where times are finer than
    seconds in floating point can hold, also time_ns (int64)."""
    columns: dict[str, str]
    """Field -> column of the file."""


def read_events(engine: Engine, source: Source, settings: PrepareSettings, say: Say) -> Events:
    """Read all parts of the events and of the test events. Raises BadInput, naming file, row and value."""
    all_parts = _parts(source, settings, say)
    fields = list(all_parts[0].columns)
    texts = {field: _is_text(field, all_parts) for field in fields if field != "timestamp"}
    # A shop's visitors are often anonymous, which matters only where users are needed.
    optional = {"event_type"}
    if "session_id" in fields and settings.filters.min_user_count == 1:
        optional.add("user_id")
    path = engine.scratch / "events.parquet"
    time_types: Mapping[str, pa.DataType] = {"time": pa.int64()}
    while True:  # at most once for each type of times
        writer = EventsWriter(path, texts, optional, time_types, settings.columns)
        try:
            for part in all_parts:
                writer.add(part)
        except TimesDifferError as error:
            time_types = error.time_types
            continue
        finally:
            writer.close()
        break
    for line in writer.notes:
        say(line)
    say(f"prepare: {writer.rows:,} events read from {len(all_parts):,} file{'s' if len(all_parts) > 1 else ''}")
    return Events(_typed(engine.read(path), writer, say), dict(all_parts[0].columns))


def _parts(source: Source, settings: PrepareSettings, say: Say) -> list[Part]:
    """The files with the columns of their fields; all have the same fields."""
    key = None if settings.split.key == FIRST_LAST_ITEM else settings.split.key
    must_have_type = bool(settings.sessions.event_types)
    said: set[str] = set()

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    all_parts: list[Part] = []
    for root in (source.events, source.test_events):
        for file in files.not_empty(parts(root), say_once) if root is not None else ():
            constants = folder_columns(root, file) if root is not None else {}
            files.tell_separator(file, settings.columns.separator, say_once)
            schema = files.schema(file, settings.columns.separator, constants)
            mapping = columns.find_events(settings.columns, key, must_have_type, schema.names, file, say_once)
            all_parts.append(Part(file, root is source.test_events, mapping, schema, constants))
    # What only some files have can't be used, and need not be: users only where there are no sessions.
    has_sessions = all("session_id" in part.columns for part in all_parts) and settings.columns.user_id is None
    for field in ("event_type", *(["user_id"] if has_sessions and settings.filters.min_user_count == 1 else [])):
        if not all(field in part.columns for part in all_parts):
            for part in all_parts:
                part.columns.pop(field, None)
    first = all_parts[0]
    for part in all_parts:
        columns.tell_unused(part.schema.names, list(part.columns.values()), say_once)
        if set(part.columns) != set(first.columns):
            raise BadInput(
                f"{part.file} has columns for {', '.join(sorted(part.columns))}; {first.file.name} for "
                f"{', '.join(sorted(first.columns))}. All events files must have the same columns."
            )
    return [
        Part(
            each.file,
            each.is_test,
            {field: each.columns[field] for field in first.columns},
            each.schema,
            each.constants,
        )
        for each in all_parts
    ]


def _is_text(field: str, all_parts: list[Part]) -> bool:
    """Whether any file has this field as text, so that it is written as text. Raises BadInput for unusable types."""
    any_text, has_fractions = False, set()
    for part in all_parts:
        column = part.columns[field]
        kind = part.schema.field(column).type
        is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        number = pa.types.is_integer(kind) or (field == "position" and is_number)
        if not pa.types.is_string(kind) and not number:
            raise columns.not_an_id(kind, column, field, part.file)
        # Whole numbers above int64 are kept exact as text; `_typed` makes them numbers if none is so large.
        any_text |= pa.types.is_string(kind) or kind == pa.uint64()
        has_fractions.add(is_number)
    return any_text or len(has_fractions) == 2  # exact as text, too


def _typed(table: Any, writer: EventsWriter, say: Say) -> Any:
    """The written table with integers where all text was integers, and times in seconds."""
    changed: dict[str, Any] = {}
    for field, all_integers in writer.integers.items():
        if all_integers and field != "event_type":
            changed[field] = table[field].cast("int64")
        elif field == "position":
            changed[field] = table[field].cast("float64")
    if not writer.has_times:
        return table.mutate(**changed) if changed else table
    per_second = 1.0
    if writer.is_numeric:
        unit, per_second = writer.units.one()
        if unit == "nanoseconds" and table["time"].type().is_integer():
            changed[FINE] = table["time"]
        changed["time"] = table["time"].cast("float64") / per_second
    first, last = (time / per_second for time in writer.span)
    days = f"{times.day(first)} to {times.day(last)}"
    if writer.is_numeric:
        say(f"prepare: times are read as {unit} since 1970: {days}")
    if first < times.PLAUSIBLE[0] or last > times.PLAUSIBLE[1]:
        say(f"prepare: warning: times from {days} are implausible; if they are wrong, repair them or try --time-format")
    return table.mutate(**changed) if changed else table
