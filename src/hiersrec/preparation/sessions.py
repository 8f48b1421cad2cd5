"""Events -> sessions: filter events by type, cut them into sessions, number and order them."""

from typing import Any

import ibis

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.events_writer import FINE
from hiersrec.preparation.reading import Events


def of_types(engine: Engine, events: Events, types: tuple[str, ...]) -> Any:
    """Only the events of some types. Raises BadInput if no event has one of them."""
    table = events.table
    distinct = engine.arrow(table.select("event_type").distinct())
    known = sorted(str(name) for name in distinct["event_type"].to_pylist())
    if absent := [name for name in types if name not in known]:
        raise BadInput(
            f"No event has the type '{absent[0]}' of --event-types {', '.join(types)}. Types in column "
            f"'{events.columns['event_type']}': {', '.join(known[:20])}."
        )
    return table.filter(table["event_type"].cast("string").isin(types))


def cut(table: Any, gap_seconds: float) -> Any:
    """Give each event a session_id "USER-n": a new session after a pause of its user longer than `gap_seconds`."""
    window = {"group_by": ["from_test_file", "user_id"], "order_by": [_time_column(table), "row"]}
    pause = table["time"] - table["time"].lag().over(ibis.window(**window))
    table = table.mutate(starts=ibis.ifelse(pause.isnull() | (pause > gap_seconds), 1, 0))
    until_now = ibis.cumulative_window(**window)
    number = table["starts"].sum().over(until_now).cast("int64")
    return table.mutate(session_id=table["user_id"].cast("string") + "-" + number.cast("string")).drop("starts")


def number_sessions(engine: Engine, table: Any) -> tuple[Any, Any]:
    """Number sessions in the order of (from_test_file, session_id).

    Returns the events with session (int64) in place of session_id; and the table of sessions: session, from_test_file,
    session_id.
    """
    distinct = table.select("from_test_file", "session_id").distinct()
    number = ibis.row_number().over(order_by=[distinct["from_test_file"], distinct["session_id"]])
    sessions = engine.keep("sessions", distinct.mutate(session=number.cast("int64")))
    joined = table.join(sessions, ["from_test_file", "session_id"])
    fields = ("session", "position", "time", FINE, "row", "item_id", "user_id", "event_type", "key")
    columns = [name for name in fields if name in joined.columns]
    return engine.keep("events_numbered", joined.select(columns)), sessions


def order_columns(table: Any) -> list[str]:
    """The columns that order the events of a session.

    Events keep them and get no number in their session: numbering needs all events in memory at once, sorting doesn't.
    """
    return ["position" if "position" in table.columns else _time_column(table), "row"]


def _time_column(table: Any) -> str:
    """The column that orders times exactly."""
    return FINE if FINE in table.columns else "time"
