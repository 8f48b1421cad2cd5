"""`check(events, items)`: what is in a shop's tables, before they are prepared, and how to prepare them."""

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec.api.prepare import Table as GivenTable
from hiersrec.api.prepare_arguments import Names, columns_of
from hiersrec.api.reporting import reporting
from hiersrec.api.result import Result
from hiersrec.arguments import FLAG, NUMBER
from hiersrec.errors import named_extras
from hiersrec.writing.tables import COMMAND, Table


class Check(Result):
    """Facts about the events and the items, the split that they allow, and the command that prepares them."""

    def parts(self) -> Iterator[str | Table]:
        facts = self.columns()
        yield Table("Events and items", ("fact", "value"), tuple(zip(facts["fact"], facts["value"], strict=True)))
        yield from self.document["advice"]
        if self.document["prepare"]:
            yield f"{COMMAND}{self.document['prepare']}"

    def columns(self) -> dict[str, list[Any]]:
        """The facts: name and value, as text."""
        rows = _rows(self.document)
        return {"fact": [name for name, _ in rows], "value": [value for _, value in rows]}


def check(
    events: GivenTable,
    items: GivenTable | None = None,
    *,
    session_id: str | None = None,
    item_id: str | None = None,
    items_item_id: str | None = None,
    timestamp: str | None = None,
    time_format: str | None = None,
    position: str | None = None,
    user_id: str | None = None,
    event_type: str | None = None,
    category_path: str | None = None,
    category_separator: str | None = None,
    category_columns: Names | None = None,
    separator: str | None = None,
    gap: float | None = None,
    progress: bool = True,
) -> Check:
    """What is in the events and items of a shop, and the `prepare` command that fits them. Writes nothing.

    Args:
        events: The events, as for `prepare`: a file, a folder of parts, or a frame.
        items: The items.
        session_id: Column of the events with the session; so on for the other columns, as for `prepare`.
        item_id: Column with the item, of both tables.
        items_item_id: Column of the items with the item, where it has another name there.
        timestamp: Column with the time.
        time_format: How times are written otherwise, as for Python's strptime.
        position: Column with the place in the session.
        user_id: Column with the user.
        event_type: Column with the type of the event.
        category_path: Column of the items with the whole category path.
        category_separator: Between the parts of a path ("/").
        category_columns: Columns of the items, one per level, coarse to fine.
        separator: Between the values of text files: ";", or "tab"; by default found from the header line.
        gap: Seconds without events that end a session, where there are no session ids (1800).
        progress: Tell what is read on standard error.

    Raises:
        BadInput: `prepare` would refuse the tables for the same reason; the message names file, row and value.

    """
    with named_extras():
        from hiersrec.preparation import files, inspection
        from hiersrec.preparation.engines import DUCKDB, open_engine
        from hiersrec.preparation.items import read_items
        from hiersrec.preparation.reading import read_events
        from hiersrec.preparation.settings import Columns, PrepareSettings, SessionRules
        from hiersrec.preparation.source import Source, folder_columns, parts
        from hiersrec.preparation.tables import as_files

    NUMBER.check_given(gap=gap)
    FLAG.check(progress=progress)
    options = columns_of(
        session_id=session_id,
        item_id=item_id,
        items_item_id=items_item_id,
        timestamp=timestamp,
        time_format=time_format,
        position=position,
        user_id=user_id,
        event_type=event_type,
        category_path=category_path,
        category_separator=category_separator,
        category_columns=category_columns,
        separator=separator,
    )
    given = {name: value for name, value in options.items() if value is not None}
    settings = PrepareSettings(
        columns=Columns(**given), sessions=SessionRules() if gap is None else SessionRules(gap_seconds=gap)
    )
    tables = {"events": events} if items is None else {"events": events, "items": items}
    with (
        as_files(tables) as paths,
        tempfile.TemporaryDirectory(prefix="hiersrec-") as scratch,
        reporting(progress) as reporter,
        open_engine(DUCKDB, Path(scratch), reporter.say) as engine,
    ):
        source = Source("check", paths["events"], paths.get("items"))
        read = read_events(engine, source, settings, reporter.say)
        table = None if source.items is None else read_items(source.items, settings, reporter.say)
        facts = inspection.inspect(engine, read, table, settings.sessions.gap_seconds)
        first = files.not_empty(parts(source.events), reporter.say)[0]
        names = files.schema(first, settings.columns.separator, folder_columns(source.events, first)).names
    unused = [name for name in names if name not in read.columns.values()]
    facts["events"] = {"files": _shown(events), **facts["events"], "unused_columns": unused}
    if facts["items"] is not None:
        facts["items"] = {"files": _shown(items), **facts["items"]}
    words = {**given, **({} if separator is None else {"separator": separator})}  # a tab as it was written
    words |= {} if gap is None else {"gap": f"{gap:g}"}
    return Check({**facts, "advice": list(_advice(facts)), "prepare": _command(events, items, words, facts["split"])})


def _shown(table: GivenTable | None) -> str:
    """The name of a file or folder; what a frame is called in messages."""
    return Path(table).name if isinstance(table, str | Path) else type(table).__name__


def _command(events: GivenTable, items: GivenTable | None, options: dict[str, Any], split: str | None) -> str | None:
    """The line of the shell that prepares the tables; None if no session has a next item."""
    if split is None:
        return None
    words = ["hiersrec", "prepare", str(events) if isinstance(events, str | Path) else "EVENTS"]
    if items is not None:
        words += ["--items", str(items) if isinstance(items, str | Path) else "ITEMS"]
    for name, value in options.items():
        words += [
            f"--{name.replace('_', '-')}",
            ",".join(map(_quoted, value)) if isinstance(value, tuple) else str(value),
        ]
    return shlex.join([*words, "--split", split, "--out", "data/shop"])


def _quoted(name: str) -> str:
    """A name as lists on the command line have it, where quotes keep commas."""
    return '"' + name.replace('"', '""') + '"' if "," in name or name.startswith('"') else name


def _advice(facts: dict[str, Any]) -> Iterator[str]:
    events, items = facts["events"], facts["items"]
    if facts["split"] is None:
        yield (
            "No session has two events, so there is no next item to predict. Name the column of sessions with "
            "--session-id, or the column of users with --user-id to cut sessions at pauses."
        )
    if events["duplicate_rows"]:
        yield "Duplicate rows count as repeats: drop them before, unless a second view within the same tick is real."
    if events["ties"] and "position" not in events["columns"]:
        yield "Events of a session at the same time keep the order of the file: name a --position if there is one."
    if events["bots"]["long"]["sessions"]:
        yield "Long sessions are no person's: --max-session-length keeps the newest events of each."
    if items is None or not items["levels"]:
        yield "There are no categories: give --items with them, or find clusters with --implicit-categories auto."


def _rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each fact, for people."""
    events, items = document["events"], document["items"]
    rows = events["rows"]
    facts = events["sessions"]
    result = [
        ("events", f"{rows:,} in {events['files']}"),
        ("read as", ", ".join(_named(field, column) for field, column in events["columns"].items())),
    ]
    if events["unused_columns"]:
        result.append(("not read", ", ".join(events["unused_columns"])))
    if span := events["time"]:
        result.append(("time", f"{span['first']} to {span['last']}, {span['seconds'] / 86_400:.1f} days"))
    cut = facts["cut_at_pause"]
    result += [
        ("sessions", f"{facts['count']:,}" + ("" if cut is None else f", cut at pauses of {cut:g} s")),
        (
            "events of a session",
            f"mean {facts['mean_length']:.1f}, median {facts['median_length']:g}, 99 % have at most "
            f"{facts['longest_of_99_percent']:,}, longest {facts['longest']:,}",
        ),
        ("sessions of one event", f"{_part(facts['one_event'], facts['count'])}, which prepare drops"),
        ("items", f"{events['items']:,}"),
    ]
    if events["users"] is not None:
        result.append(("users", f"{events['users']:,}"))
    if events["event_types"]:
        result.append(("types", ", ".join(f"{name} {count:,}" for name, count in events["event_types"].items())))
    order = "position" if "position" in events["columns"] else "time"
    result += [
        ("duplicate rows", _part(events["duplicate_rows"], rows)),
        (f"ties in {order}", f"{_part(events['ties'], rows)} in the same session"),
        ("repeats", f"{_part(events['repeats'], rows)} on an item seen before in the session"),
    ]
    if new := events["new_items"]:
        value = f"{_part(new['new'], new['items'])} of the items, {_part(new['events_on_new'], rows)} of all events"
        result.append((f"new in the last {new['days']:.3g} days", value))
    for name, meaning in (("long", "over 200 events"), ("fast", "20 events or more, under 1 s apart")):
        if bots := events["bots"][name]:
            result.append((f"{name} sessions", f"{bots['sessions']:,} with {bots['events']:,} events ({meaning})"))
    return result if items is None else result + _item_rows(items, events["items"])


def _item_rows(items: dict[str, Any], in_events: int) -> list[tuple[str, str]]:
    columns = items["columns"]
    fields = {"item_id": columns["item_id"], "categories": " > ".join(columns["categories"])}
    rows = [
        ("items table", f"{items['rows']:,} in {items['files']}, {items['unused']:,} of them in no event"),
        ("read as", ", ".join(_named(field, column) for field, column in fields.items() if column)),
        ("metadata", ", ".join(items["metadata"]) or "none"),
        ("items not in the table", _part(items["absent"], in_events)),
    ]
    for level, facts in enumerate(items["levels"], start=1):
        value = f"{facts['categories']:,}, known for {facts['items']:.1%} of items, {facts['events']:.1%} of events"
        rows.append((f"categories, level {level}", value))
    return rows


def _named(field: str, column: str) -> str:
    return field if field == column else f"{field} ({column})"


def _part(count: int, whole: int) -> str:
    return f"{count:,} ({count / whole:.1%})" if whole else f"{count:,}"
