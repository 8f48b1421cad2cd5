"""Filters of events, repeated until none of them changes anything, with counts after each.

Dropping rare items shortens sessions, dropping short sessions makes items rarer, and dropping an item may bring two
events on another item together: so all run in turn, again and again.
"""

from collections.abc import Callable
from typing import Any

import ibis

from hiersrec.errors import BadInput
from hiersrec.prepare.engine import Engine
from hiersrec.prepare.sessions import inside
from hiersrec.prepare.settings import PrepareSettings

Filter = Callable[[Any], Any]


def without_repeats(events: Any) -> Any:
    """Drop an event on the same item as the event before it in its session."""
    before = events["item_id"].lag().over(ibis.window(group_by="session", order_by=inside(events)))
    marked = events.mutate(before=before)
    return marked.filter(marked["before"].isnull() | (marked["before"] != marked["item_id"])).drop("before")


def newest(events: Any, length: int) -> Any:
    """Keep the last `length` events of each session."""
    backwards = [ibis.desc(name) for name in inside(events)]
    from_end = ibis.row_number().over(ibis.window(group_by="session", order_by=backwards))
    marked = events.mutate(from_end=from_end)
    return marked.filter(marked["from_end"] < length).drop("from_end")


def frequent(events: Any, column: str, least: int) -> Any:
    """Keep the events whose value of `column` has at least `least` events."""
    counted = events.group_by(column).aggregate(times=events.count())
    return events.semi_join(counted.filter(counted["times"] >= least), column)


def chosen(settings: PrepareSettings) -> dict[str, Filter]:
    """The filters that settings ask for, by name, in the order they run."""
    rules, least = settings.sessions, settings.filters
    found: dict[str, Filter] = {}
    if rules.drop_repeats:
        found["drop_repeats"] = without_repeats
    if (length := rules.max_length) is not None:
        found[f"max_length {length}"] = lambda events: newest(events, length)
    if least.min_item_count > 1:
        found[f"min_item_count {least.min_item_count}"] = lambda events: frequent(
            events, "item_id", least.min_item_count
        )
    if least.min_user_count > 1:
        found[f"min_user_count {least.min_user_count}"] = lambda events: frequent(
            events, "user_id", least.min_user_count
        )
    if least.min_session_length > 1:
        found[f"min_session_length {least.min_session_length}"] = lambda events: frequent(
            events, "session", least.min_session_length
        )
    return found


def count(engine: Engine, name: str, round_: int, events: Any) -> dict[str, Any]:
    """Counts of a table of events, one entry of `filters` in dataset.json; None for what it has no column for."""
    wanted = {"events": events.count(), "items": events["item_id"].nunique()}
    if "session" in events.columns:
        wanted["sessions"] = events["session"].nunique()
    elif "session_id" in events.columns:
        wanted["sessions"] = (events["given"].cast("string") + events["session_id"].cast("string")).nunique()
    if "user_id" in events.columns:
        wanted["users"] = events["user_id"].nunique()
    found = engine.arrow(events.aggregate(**wanted)).to_pylist()[0]
    return {
        "name": name,
        "round": round_,
        **{what: found.get(what) for what in ("events", "sessions", "items", "users")},
    }


def apply(
    engine: Engine, events: Any, settings: PrepareSettings, say: Callable[[str], None]
) -> tuple[Any, list[dict[str, Any]]]:
    """Run the chosen filters until nothing changes; returns the events left, and the counts after each.

    Raises BadInput if nothing is left, or if users are to be counted and there are none.
    """
    if settings.filters.min_user_count > 1 and "user_id" not in events.columns:
        raise BadInput(
            "--min-user-count needs a user_id column in the events. Name it with --user-id, or leave it out."
        )
    filters = chosen(settings)
    kept: str | None = None
    record = [count(engine, "before filters", 0, events)]
    round_ = 0
    while True:
        round_ += 1
        before = record[-1]["events"]
        for at, (name, keep) in enumerate(filters.items()):
            name_now = f"events_{round_}_{at}"
            events = engine.keep(name_now, keep(events))
            if kept is not None:
                engine.drop(kept)
            kept = name_now
            record.append(count(engine, name, round_, events))
            say(f"prepare: filter round {round_}: {name}: {record[-2]['events']:,} -> {record[-1]['events']:,} events")
            if record[-1]["events"] == 0:
                raise BadInput(
                    f"Nothing is left after the filter '{name}' in round {round_} ({record[-2]['events']} before). "
                    f"Lower --{name.split()[0].replace('_', '-')}, or check the session and item columns."
                )
        # Each filter alone has nothing to do a second time.
        if record[-1]["events"] == before or len(filters) == 1:
            return events, record[1:]
