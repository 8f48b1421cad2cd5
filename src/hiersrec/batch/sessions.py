"""The sessions to recommend for -> blocks (blocks.py), from a file or a folder of parts in either layout:

    a row per event      the columns and files that `hiersrec prepare` reads, in any order of rows
    a row per session    a list of items in the column `items` (lists.py), unless --item-id names a column of items

Sessions keep the order in which they first appear. Every row is used, or refused by name.
"""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.batch.blocks import SessionFacts, finish, sessions_of, write_blocks
from hiersrec.batch.lists import ITEMS, SessionLists
from hiersrec.errors import BadInput
from hiersrec.preparation import files, reading, sessions
from hiersrec.preparation.engine import BATCH_ROWS, Engine
from hiersrec.preparation.engines import open_engine
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.preparation.source import Source, folder_columns, parts
from hiersrec.types import Say


def write_sessions(path: Path, settings: PrepareSettings, folder: Path, engine: str, say: Say) -> SessionFacts:
    """Write the sessions of a file or folder as blocks into `folder`, where only a killed process may have left some.

    engine: as `open_engine` takes it; it orders events, and is not needed for lists. Raises BadInput, naming file, row
    and value.
    """

    def tell(line: str) -> None:
        say(line.replace("prepare:", "recommend:", 1))  # the readers say whose they are

    shutil.rmtree(folder, ignore_errors=True)
    found = files.not_empty(parts(path), tell)
    names = [files.schema(file, settings.columns.separator, folder_columns(path, file)).names for file in found]
    given = settings.columns
    with_lists = [ITEMS in columns and given.item_id is None for columns in names]
    if any(with_lists) and not all(with_lists):
        raise BadInput(
            f"{found[with_lists.index(False)]} has no column '{ITEMS}', which {found[with_lists.index(True)].name} "
            "has. All files must have the same columns."
        )
    if all(with_lists):
        for flag in ("timestamp", "time_format", "position", "user_id"):
            if getattr(given, flag) is not None:
                raise BadInput(
                    f"{path} has a row per session, with a list in '{ITEMS}', so --{flag.replace('_', '-')} has no "
                    "use. Leave it out; if there is a row per event, name the column of the item with --item-id."
                )
        lists = SessionLists(found, settings.columns, tell)
        count, events = write_blocks(folder, lists)
        facts = SessionFacts(count, events, lists.numbers)
    else:
        facts = _from_events(path, settings, folder, engine, tell)
    if not facts.sessions:
        raise BadInput(f"{path} has no sessions. Give a file with some.")
    finish(folder, facts)
    say(f"recommend: {facts.sessions:,} sessions of {facts.events:,} events")
    return facts


def _from_events(path: Path, settings: PrepareSettings, folder: Path, engine: str, say: Say) -> SessionFacts:
    scratch = folder.with_name(f"{folder.name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    with open_engine(engine, scratch, say) as opened:
        table = reading.read_events(opened, Source("sessions", path), settings, say).table
        if "session_id" not in table.columns:
            table = opened.keep("events_cut", sessions.cut(table, settings.sessions.gap_seconds))
        ordered = opened.save(scratch / "ordered.parquet", _ordered(opened, table))
    count, events = write_blocks(folder, sessions_of(ordered, BATCH_ROWS))
    numbers = pa.types.is_integer(pq.read_schema(ordered).field("session_id").type)
    shutil.rmtree(scratch)
    return SessionFacts(count, events, numbers)


def _ordered(engine: Engine, table: Any) -> Any:
    """The events session by session, in the order of the sessions' first rows; inside by position or time, then row."""
    first = table.group_by("session_id").aggregate(first_row=table["row"].min())
    joined = table.join(engine.keep("first_rows", first), "session_id")
    order = ["first_row", *sessions.order_columns(table)]
    return joined.order_by(order).select("session_id", "item_id")
