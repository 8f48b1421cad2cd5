"""Filters of events, repeated until none of them changes anything, with counts after each.

Dropping rare items shortens sessions, dropping short sessions makes items rarer, and dropping an item may bring two
events on another item together. So all filters run in turn until nothing changes.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import ibis

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.sessions import order_columns
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.types import Say


def without_repeats(events: Any) -> Any:
    """Drop an event on the same item as the event before it in its session."""
    before = events["item_id"].lag().over(ibis.window(group_by="session", order_by=order_columns(events)))
    marked = events.mutate(before=before)
    return marked.filter(marked["before"].isnull() | (marked["before"] != marked["item_id"])).drop("before")


def newest(events: Any, length: int) -> Any:
    """Keep the last `length` events of each session."""
    backwards = [ibis.desc(name) for name in order_columns(events)]
    from_end = ibis.row_number().over(ibis.window(group_by="session", order_by=backwards))
    marked = events.mutate(from_end=from_end)
    return marked.filter(marked["from_end"] < length).drop("from_end")


def frequent(events: Any, column: str, minimum: int) -> Any:
    """Keep the events whose value of `column` has at least `minimum` events."""
    counted = events.group_by(column).aggregate(times=events.count())
    return events.semi_join(counted.filter(counted["times"] >= minimum), column)


def chosen(settings: PrepareSettings) -> dict[str, Callable[[Any], Any]]:
    """The filters that the settings enable, by name, in the order they run."""
    filters: dict[str, Callable[[Any], Any]] = {}
    if settings.sessions.drop_repeats:
        filters["drop_repeats"] = without_repeats
    if (length := settings.sessions.max_length) is not None:
        filters[f"max_length {length}"] = partial(newest, length=length)
    columns = {"min_item_count": "item_id", "min_user_count": "user_id", "min_session_length": "session"}
    for setting, column in columns.items():
        if (minimum := getattr(settings.filters, setting)) > 1:
            filters[f"{setting} {minimum}"] = partial(frequent, column=column, minimum=minimum)
    return filters


def named_users(events: Any) -> Any:
    """The users of a table of events, null where there is none."""
    users = events["user_id"]
    return users.nullif("") if users.type().is_string() else users


def count_events(engine: Engine, name: str, round_: int, events: Any) -> dict[str, Any]:
    """Counts of a table of events, an entry of `filters` in dataset.json; None where the table lacks the column."""
    columns = {"events": events.count(), "items": events["item_id"].nunique()}
    if "session" in events.columns:
        columns["sessions"] = events["session"].nunique()
    elif "session_id" in events.columns:
        session = events["from_test_file"].cast("string") + events["session_id"].cast("string")
        columns["sessions"] = session.nunique()
    if "user_id" in events.columns:
        columns["users"] = named_users(events).nunique()
    counts = engine.arrow(events.aggregate(**columns)).to_pylist()[0]
    return {"name": name, "round": round_, **{key: counts.get(key) for key in ("events", "sessions", "items", "users")}}


def apply(engine: Engine, events: Any, settings: PrepareSettings, say: Say) -> tuple[Any, list[dict[str, Any]]]:
    """Run the enabled filters until nothing changes; returns the events left, and the counts after each filter.

    Raises BadInput if no event is left, or if users are to be counted and the events have no column of users.
    """
    if settings.filters.min_user_count > 1 and "user_id" not in events.columns:
        raise BadInput(
            "--min-user-count needs a user_id column in the events. Name it with --user-id, or leave it out."
        )
    filters = chosen(settings)
    cached: str | None = None
    record = [count_events(engine, "before filters", 0, events)]
    for round_ in count(1):
        before = record[-1]["events"]
        for number, (name, filter_) in enumerate(filters.items()):
            previous, cached = cached, f"events_{round_}_{number}"
            events = engine.keep(cached, filter_(events))
            if previous is not None:
                engine.drop(previous)
            record.append(count_events(engine, name, round_, events))
            say(f"prepare: filter round {round_}: {name}: {record[-2]['events']:,} -> {record[-1]['events']:,} events")
            if record[-1]["events"] == 0:
                raise BadInput(
                    f"Nothing is left after the filter '{name}' in round {round_} ({record[-2]['events']} before). "
                    f"Lower --{name.split()[0].replace('_', '-')}, or check the session and item columns."
                )
        # A single filter changes nothing when it runs again.
        if record[-1]["events"] == before or len(filters) == 1:
            break
    return events, record[1:]
