"""Events -> sessions: events of the wanted types, cut into sessions and ordered inside them."""

from typing import Any

import ibis

from hiersrec.errors import BadInput
from hiersrec.prepare.engine import Engine
from hiersrec.prepare.reading import Events

ORDER_RULES = {True: "position, ties by row of the file", False: "timestamp, ties by row of the file"}
"""Order inside a session, by whether events have a position."""


def of_types(engine: Engine, events: Events, types: tuple[str, ...]) -> Any:
    """Only the events of some types; raises BadInput if there is none of one of them."""
    table = events.table
    found = engine.arrow(table.select("event_type").distinct())
    there = sorted(str(one) for one in found["event_type"].to_pylist())
    if absent := [one for one in types if one not in there]:
        raise BadInput(
            f"No event has the type '{absent[0]}' of --event-types {', '.join(types)}. Types in column "
            f"'{events.columns['event_type']}': {', '.join(there[:20])}."
        )
    return table.filter(table["event_type"].cast("string").isin(types))


def cut(table: Any, gap_seconds: float) -> Any:
    """Give each event a session_id "USER-n": a new session after a pause of its user longer than `gap_seconds`."""
    by_user = ibis.window(group_by=["given", "user_id"], order_by=["time", "row"])
    pause = table["time"] - table["time"].lag().over(by_user)
    table = table.mutate(starts=ibis.ifelse(pause.isnull() | (pause > gap_seconds), 1, 0))
    until_now = ibis.cumulative_window(group_by=["given", "user_id"], order_by=["time", "row"])
    number = table["starts"].sum().over(until_now).cast("int64")
    return table.mutate(session_id=table["user_id"].cast("string") + "-" + number.cast("string")).drop("starts")


def number_sessions(engine: Engine, table: Any) -> tuple[Any, Any]:
    """Number sessions in the order of (given, session_id).

    Returns the events with session (int64) in place of session_id, with the columns of `inside`; and the table of
    sessions: session, given, session_id.
    """
    listed = table.select("given", "session_id").distinct()
    number = ibis.row_number().over(order_by=[listed["given"], listed["session_id"]])
    sessions = engine.keep("sessions", listed.mutate(session=number.cast("int64")))
    joined = table.join(sessions, ["given", "session_id"])
    every = ("session", "position", "time", "row", "item_id", "user_id", "event_type", "key")
    wanted = [name for name in every if name in joined.columns]
    return engine.keep("events_numbered", joined.select(wanted)), sessions


def inside(table: Any) -> list[str]:
    """The columns that order the events of a session.

    They are carried along, not numbered: numbering would need all events in memory at once, sorting does not.
    """
    return ["position" if "position" in table.columns else "time", "row"]
