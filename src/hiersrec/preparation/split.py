"""Sessions -> training, validation and test. Only the table of sessions is read into Python; events stay in the engine.

Sessions are sorted by time (of their last event), ties by session id; without times, by session id. Random choices are
made over sorted keys, so they depend neither on the order of the files nor on threads.
"""

from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.preparation import spans, times
from hiersrec.preparation.engine import Engine, int64
from hiersrec.preparation.sessions import order_columns
from hiersrec.preparation.settings import FIRST_LAST_ITEM, SplitSettings, flag_name
from hiersrec.types import Bool, Float64, Int64

PARTS = ("train", "valid", "test")
"""The splits; their codes are 0, 1, 2."""


@dataclass(frozen=True)
class SessionTable:
    """The sessions, sorted: (S,) each."""

    session: Int64
    length: Int64
    key: Int64
    """Rank of the session's key among all keys, from 0."""
    end: Float64 | None
    """UTC seconds of the last event; None without times."""
    from_test_file: Bool


def collect(engine: Engine, events: Any, sessions: Any, key: str | None) -> SessionTable:
    """The table of the sessions that are left. Raises BadInput if a session has two values of the key."""
    aggregates = {"length": events.count()}
    if "time" in events.columns:
        aggregates["end"] = events["time"].max()
    if key == FIRST_LAST_ITEM:
        order = ibis.struct({name: events[name] for name in order_columns(events)})
        aggregates["key"] = events["item_id"].argmin(order)
        aggregates["other_key"] = events["item_id"].argmax(order)
    elif key is not None:
        aggregates["key"], aggregates["other_key"] = events["key"].min(), events["key"].max()
    table = events.group_by("session").aggregate(**aggregates).join(sessions, "session")
    if key is not None:
        rank = ibis.dense_rank().over(order_by=[table["key"], table["other_key"]])
        if key != FIRST_LAST_ITEM:
            _refuse_two_keys(engine, table, key)
        table = table.mutate(rank=rank)
    columns = [name for name in ("session", "length", "rank", "end", "from_test_file") if name in table.columns]
    sort_keys = ["end", "session"] if "end" in table.columns else ["session"]
    rows = engine.arrow(engine.keep("sessions_left", table.select(columns)).order_by(sort_keys))
    session = int64(rows, "session")
    return SessionTable(
        session=session,
        length=int64(rows, "length"),
        key=int64(rows, "rank") if key is not None else np.arange(len(session)),
        end=rows["end"].to_numpy() if "end" in rows.column_names else None,
        from_test_file=rows["from_test_file"].to_numpy(),
    )


def _refuse_two_keys(engine: Engine, table: Any, key: str) -> None:
    bad = table.filter(table["key"] != table["other_key"]).order_by("session").limit(1)
    if rows := engine.arrow(bad).to_pylist():
        raise BadInput(
            f"Session '{rows[0]['session_id']}' has two values of --split-key {key}: '{rows[0]['key']}' and "
            f"'{rows[0]['other_key']}'. A key must be the same for all events of a session: choose another column."
        )


def is_test(sessions: SessionTable, split: SplitSettings) -> tuple[Bool, float | None]:
    """(S,) whether each session is for test, and the time of the cut, if any (test sessions end at or after it)."""
    if sessions.from_test_file.any() or split.method in (None, "given"):
        return sessions.from_test_file, None
    if split.method == "random":
        return _random_share(sessions.key, float(split.value or 0), np.random.default_rng(split.seed)), None
    if sessions.end is None:
        raise BadInput(
            f"--split {flag_name(split.method)} needs times, and the events have none. Name the column with "
            f"--timestamp, or choose {spans.advised_split(None, len(sessions.session))}."
        )
    if split.method == "fraction":
        test = _latest_share(len(sessions.session), float(split.value or 0))
        return test, float(sessions.end[test].min(initial=np.inf))
    if split.method == "last_days":
        cut = float(sessions.end.max()) - float(split.value or 0) * spans.DAY
        return sessions.end > cut, cut
    cut = times.cut_seconds(split.value or 0)
    return sessions.end >= cut, cut


def validation_rule(sessions: SessionTable, test: Bool, split: SplitSettings) -> str:
    """What the settings name, "latest" or "random", or else the kind of the test sessions, test (S,)."""
    if split.valid != "auto":
        return split.valid
    if sessions.end is None or sessions.end[test].min() < sessions.end[~test].max():
        return "random"
    return "latest"


def is_valid(sessions: SessionTable, test: Bool, split: SplitSettings) -> Bool:
    """(S,) whether each session is for validation; those in `test` (S,) never are."""
    valid = np.zeros(len(test), bool)
    if validation_rule(sessions, test, split) == "latest":
        if sessions.end is None:
            raise BadInput("--validation latest needs times, and the events have none. Use --validation random.")
        valid[~test] = _latest_share(int((~test).sum()), split.valid_share)
    else:
        valid[~test] = _random_share(sessions.key[~test], split.valid_share, np.random.default_rng([split.seed, 1]))
    return valid


def _latest_share(count: int, share: float) -> Bool:
    chosen = np.zeros(count, bool)
    chosen[count - max(1, round(share * count)) :] = True
    return chosen


def _random_share(keys: Int64, share: float, random: np.random.Generator) -> Bool:
    """(S,) whether a session's key is chosen: keys are taken in random order up to the share of the sessions.

    A key with more sessions than the share, such as one of all guests, is left out, unless every key has more.
    """
    _, rank, per_key = np.unique(keys, return_inverse=True, return_counts=True)
    order = random.permutation(len(per_key))
    most = max(1, round(share * len(keys)))
    fitting = order[per_key[order] <= most]
    chosen = np.zeros(len(per_key), bool)
    chosen[fitting[np.cumsum(per_key[fitting]) <= most]] = True
    if not len(fitting):
        chosen[order[:1]] = True
    return chosen[rank]


def assign(engine: Engine, sessions: SessionTable, split: SplitSettings) -> tuple[Any, dict[str, Any]]:
    """Split the sessions.

    Returns an Ibis table (session, part, number), where part is 0 train, 1 valid, 2 test and number the position of the
    session in its part; and the entry `split` of dataset.json. Raises BadInput if a part is empty.
    """
    test, cut = is_test(sessions, split)
    if not test.any() or test.all():
        raise BadInput(_one_sided(sessions, split, bool(test.all()), cut))
    valid = is_valid(sessions, test, split)
    if valid.sum() == (~test).sum():
        raise BadInput(
            f"Validation takes all {valid.sum()} training sessions, and leaves none to train on. "
            f"Lower --validation-share ({split.valid_share}), or give more sessions."
        )
    part = np.where(test, 2, np.where(valid, 1, 0)).astype(np.int64)
    table, counts = number_parts(engine, "parts", sessions.session, sessions.length, part)
    rules = {"rule": split.method or "given", "validation": validation_rule(sessions, test, split)}
    return table, {**rules, "cut_time": cut, **counts}


def _one_sided(sessions: SessionTable, split: SplitSettings, all_test: bool, cut: float | None) -> str:
    """The message of a split with an empty side."""
    side, empty = ("test", "training") if all_test else ("training", "test")
    count = len(sessions.session)
    rule = "--test"
    if split.method not in (None, "given"):
        value = split.value if isinstance(split.value, str) else f"{split.value:g}"
        rule = f"--split {flag_name(split.method)}:{value}"
    text = f"{rule} leaves no {empty} sessions: all {count:,} are {side}."
    if cut is not None and sessions.end is not None:
        text += f" The cut is at {times.utc(cut)}, and the sessions end {spans.of_times(sessions.end)}."
    if split.method in (None, "given"):
        return f"{text} Give a test file with other sessions than the events, or --split instead."
    if count < spans.MIN_SESSIONS:
        return f"{text} A split needs at least {spans.MIN_SESSIONS} sessions of two events or more."
    return f"{text} Use --split {spans.advised_split(sessions.end, count)}."


def number_parts(
    engine: Engine, name: str, session: Int64, length: Int64, part: Int64
) -> tuple[Any, dict[str, dict[str, int]]]:
    """Number the sessions of each part from 0, in the order of the arrays (S,).

    Returns the Ibis table (session, part, number), kept as `name`, and the counts of sessions and events by part.
    """
    numbers = np.zeros(len(part), np.int64)
    counts = {}
    for code, part_name in enumerate(PARTS):
        in_part = part == code
        numbers[in_part] = np.arange(in_part.sum())
        counts[part_name] = {"sessions": int(in_part.sum()), "events": int(length[in_part].sum())}
    path = engine.scratch / f"{name}.parquet"
    pq.write_table(pa.table({"session": session, "part": pa.array(part, pa.int8()), "number": numbers}), path)
    return engine.read(path), counts
