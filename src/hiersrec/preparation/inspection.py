"""Facts about the tables that a shop has, before they are prepared; the counts are the engine's.

Tables are read as `prepare` reads them, so what it would refuse is refused here too. A session is what `prepare` would
take for one, before its filters.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.preparation import sessions, spans, times
from hiersrec.preparation.engine import Engine, int64
from hiersrec.preparation.filters import named_users
from hiersrec.preparation.items import ItemsTable
from hiersrec.preparation.reading import Events
from hiersrec.types import Bool, Float64, Int64

LONG = 200
"""A session of more events is implausibly long for a person."""
FAST_LENGTH, FAST_PAUSE = 20, 1.0
"""A session of at least 20 events that are less than a second apart on average is implausibly fast."""
MAX_TYPES = 20
"""At most this many types of events are counted by name."""


class SessionCounts(NamedTuple):
    """(S,) each, of every session of the events."""

    length: Int64
    distinct_items: Int64
    distinct_places: Int64
    """Distinct times, or positions where there are any."""
    start: Float64 | None
    end: Float64 | None


def inspect(engine: Engine, events: Events, items: ItemsTable | None, gap_seconds: float) -> dict[str, Any]:
    """The facts of both tables, as JSON has them, and a split that the span of the sessions allows.

    Counts are of the events unless their names differ. `split` is None if no session has two events.
    """
    table = events.table
    fields = [name for name in table.columns if name not in ("row", "from_test_file")]
    rows, distinct = (_count(engine, part) for part in (table, table[fields].distinct()))
    by_gap = "session_id" not in table.columns
    if by_gap:
        table = engine.keep("events_cut", sessions.cut(table, gap_seconds))
    counts, counted_items = _sessions(engine, table), _items(engine, table)
    split = _advised_split(counts)
    facts = {
        "rows": rows,
        "columns": events.columns,
        "time": _span(counts),
        "sessions": _session_facts(counts, gap_seconds if by_gap else None),
        "items": len(counted_items),
        "users": _users(engine, table) if "user_id" in table.columns else None,
        "event_types": _types(engine, table),
        "duplicate_rows": rows - distinct,
        "ties": int((counts.length - counts.distinct_places).sum()),
        "repeats": int((counts.length - counts.distinct_items).sum()),
        "new_items": _new_items(counts, counted_items, split),
        "bots": _bots(counts),
    }
    return {"events": facts, "items": None if items is None else _item_facts(counted_items, items), "split": split}


def _users(engine: Engine, table: Any) -> int:
    """Without events of nobody."""
    counted: int = engine.arrow(table.aggregate(users=named_users(table).nunique()))["users"][0].as_py()
    return counted


def _count(engine: Engine, table: Any) -> int:
    count: int = engine.arrow(table.aggregate(count=table.count()))["count"][0].as_py()
    return count


def _sessions(engine: Engine, table: Any) -> SessionCounts:
    order = sessions.order_columns(table)[0]
    aggregates = {"length": table.count(), "items": table["item_id"].nunique(), "places": table[order].nunique()}
    is_timed = "time" in table.columns
    if is_timed:
        aggregates |= {"start": table["time"].min(), "end": table["time"].max()}
    rows = engine.arrow(table.group_by("session_id").aggregate(**aggregates))
    start, end = (rows[name].to_numpy() if is_timed else None for name in ("start", "end"))
    return SessionCounts(int64(rows, "length"), int64(rows, "items"), int64(rows, "places"), start, end)


def _items(engine: Engine, table: Any) -> pa.Table:
    """item_id as text, its events, and the first and the last time of one if there are times."""
    aggregates = {"events": table.count()}
    if "time" in table.columns:
        aggregates |= {"first": table["time"].min(), "last": table["time"].max()}
    counted = table.group_by("item_id").aggregate(**aggregates)
    return engine.arrow(counted.mutate(item_id=counted["item_id"].cast("string")))


def _span(counts: SessionCounts) -> dict[str, Any] | None:
    if counts.start is None or counts.end is None:
        return None
    first, last = float(counts.start.min()), float(counts.end.max())
    return {"first": times.utc(first), "last": times.utc(last), "seconds": last - first}


def _session_facts(counts: SessionCounts, gap_seconds: float | None) -> dict[str, Any]:
    length = counts.length
    return {
        "count": len(length),
        "cut_at_pause": gap_seconds,
        "one_event": int((length == 1).sum()),
        "mean_length": float(length.mean()),
        "median_length": float(np.median(length)),
        "longest_of_99_percent": int(np.quantile(length, 0.99, method="higher")),
        "longest": int(length.max()),
    }


def _types(engine: Engine, table: Any) -> dict[str, int]:
    """The commonest types of events and their counts."""
    if "event_type" not in table.columns:
        return {}
    counted = table.group_by("event_type").aggregate(events=table.count())
    rows = engine.arrow(counted).sort_by([("events", "descending"), ("event_type", "ascending")]).slice(0, MAX_TYPES)
    return {str(row["event_type"] or "(none)"): row["events"] for row in rows.to_pylist()}


def _new_items(counts: SessionCounts, items: pa.Table, split: str | None) -> dict[str, Any] | None:
    """Items of the last days, and those of them that the time before lacks.

    The days are those that the advised split tests on, or else the last fifth of the span.
    """
    if counts.end is None or counts.start is None:
        return None
    last = float(counts.end.max())
    rule, _, value = (split or "").partition(":")
    days = float(value) if rule == "last-days" else (last - float(counts.start.min())) / spans.DAY / 5
    cut = last - days * spans.DAY
    in_last_days, is_new = items["last"].to_numpy() > cut, items["first"].to_numpy() > cut
    new, all_items = int(is_new.sum()), int(in_last_days.sum())
    events = int(items["events"].to_numpy()[is_new].sum())
    return {"days": days, "items": all_items, "new": new, "events_on_new": events}


def _bots(counts: SessionCounts) -> dict[str, Any]:
    """Sessions that no person has, by their length or their speed, and the events in them; None if there is no speed.

    Days without a time of day say nothing about the speed: then most sessions seem to take no time.
    """
    facts: dict[str, Any] = {"long": _chosen(counts, counts.length > LONG), "fast": None}
    if counts.start is not None and counts.end is not None:
        seconds, is_longer = counts.end - counts.start, counts.length > 1
        if np.count_nonzero(seconds[is_longer]) * 2 > np.count_nonzero(is_longer):
            is_fast = (counts.length >= FAST_LENGTH) & (seconds < FAST_PAUSE * (counts.length - 1))
            facts["fast"] = _chosen(counts, is_fast)
    return facts


def _chosen(counts: SessionCounts, chosen: Bool) -> dict[str, int]:
    return {"sessions": int(chosen.sum()), "events": int(counts.length[chosen].sum())}


def _advised_split(counts: SessionCounts) -> str | None:
    """A value of `--split` that the sessions of two events and more allow."""
    is_kept = counts.length > 1
    if not is_kept.any():
        return None
    return spans.advised_split(None if counts.end is None else counts.end[is_kept], int(is_kept.sum()))


def _item_facts(counted: pa.Table, items: ItemsTable) -> dict[str, Any]:
    """The facts of the items table; the coverage of each level is a share of the events' items, and of the events."""
    ids = items.ids.cast(pa.string()).combine_chunks()
    row_of = pc.index_in(counted["item_id"], value_set=ids).to_numpy()  # float, NaN where the table lacks an item
    events = counted["events"].to_numpy()
    is_there = ~np.isnan(row_of)
    depth = len(items.paths[0]) if items.paths else 0
    levels = []
    for level in range(depth):
        known = np.array([path[level] is not None for path in items.paths])
        is_known = np.zeros(len(row_of), bool)
        is_known[is_there] = known[row_of[is_there].astype(np.int64)]
        names = {path[: level + 1] for path in items.paths if path[level] is not None}
        levels.append(
            {
                "categories": len(names),
                "items": float(is_known.mean()),
                "events": float(events[is_known].sum() / events.sum()),
            }
        )
    return {
        "rows": len(ids),
        "columns": items.columns,
        "metadata": items.others.column_names,
        "absent": int((~is_there).sum()),
        "unused": len(ids) - int(is_there.sum()),
        "levels": levels,
    }
