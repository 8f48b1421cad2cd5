"""Sessions -> training, validation and test. Only the table of sessions comes to Python; events stay in the engine.

SessionTable are in the order of time (of their last event), ties by session id; without times, by session id. Random
choices are made over keys in sorted order, so neither the order of the files nor threads play a part.
"""

from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.prepare import times
from hiersrec.prepare.engine import Engine, numbers
from hiersrec.prepare.sessions import inside
from hiersrec.prepare.settings import FIRST_LAST_ITEM, SplitSettings
from hiersrec.types import Bool, Float64, Int64

PARTS = ("train", "valid", "test")
"""Splits, and their codes 0, 1, 2."""
DAY = 86_400.0


@dataclass(frozen=True)
class SessionTable:
    """One entry per session, in order: (S,) each."""

    session: Int64
    length: Int64
    key: Int64
    """Rank of the session's key among all keys, from 0."""
    end: Float64 | None
    """UTC seconds of the last event; None without times."""
    given: Bool
    """From the test file."""


def collect(engine: Engine, events: Any, sessions: Any, key: str | None) -> SessionTable:
    """The table of the sessions that are left. Raises BadInput if a session has two values of the key."""
    wanted = {"length": events.count()}
    if "time" in events.columns:
        wanted["end"] = events["time"].max()
    if key == FIRST_LAST_ITEM:
        place = ibis.struct({name: events[name] for name in inside(events)})
        wanted["key"] = events["item_id"].argmin(place)
        wanted["other_key"] = events["item_id"].argmax(place)
    elif key is not None:
        wanted["key"], wanted["other_key"] = events["key"].min(), events["key"].max()
    table = events.group_by("session").aggregate(**wanted).join(sessions, "session")
    if key is not None:
        rank = ibis.dense_rank().over(order_by=[table["key"], table["other_key"]])
        if key != FIRST_LAST_ITEM:
            _refuse_two_keys(engine, table, key)
        table = table.mutate(rank=rank)
    wanted_columns = [name for name in ("session", "length", "rank", "end", "given") if name in table.columns]
    order = ["end", "session"] if "end" in table.columns else ["session"]
    found = engine.arrow(engine.keep("sessions_left", table.select(wanted_columns)).order_by(order))
    session = numbers(found, "session")
    return SessionTable(
        session=session,
        length=numbers(found, "length"),
        key=numbers(found, "rank") if key is not None else np.arange(len(session)),
        end=found["end"].to_numpy() if "end" in found.column_names else None,
        given=found["given"].to_numpy(),
    )


def _refuse_two_keys(engine: Engine, table: Any, key: str) -> None:
    two = table.filter(table["key"] != table["other_key"]).order_by("session").limit(1)
    bad = engine.arrow(two).to_pylist()
    if bad:
        raise BadInput(
            f"Session '{bad[0]['session_id']}' has two values of --split-key {key}: '{bad[0]['key']}' and "
            f"'{bad[0]['other_key']}'. A key must be the same for all events of a session: choose another column."
        )


def is_test(sessions: SessionTable, split: SplitSettings) -> tuple[Bool, float | None]:
    """(S,) which sessions are test, and the time of the cut if there is one (test sessions end at or after it)."""
    if sessions.given.any() or split.method in (None, "given"):
        return sessions.given, None
    if split.method == "random":
        return _random_share(sessions.key, float(split.value or 0), np.random.default_rng(split.seed)), None
    if sessions.end is None:
        raise BadInput(
            f"--split {split.method} needs times, and the events have none. Name the column with --timestamp."
        )
    if split.method == "fraction":
        test = _latest_share(len(sessions.session), float(split.value or 0))
        return test, float(sessions.end[test].min(initial=np.inf))
    if split.method == "last_days":
        cut = float(sessions.end.max()) - float(split.value or 0) * DAY
        return sessions.end > cut, cut
    cut = times.cut_seconds(split.value or 0)
    return sessions.end >= cut, cut


def is_valid(sessions: SessionTable, test: Bool, split: SplitSettings) -> Bool:
    """(S,) which training sessions are validation."""
    valid = np.zeros(len(test), bool)
    if split.valid == "latest":
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
    """(S,) sessions of randomly chosen keys: keys in random order until the share of the sessions is reached."""
    _, rank, per_key = np.unique(keys, return_inverse=True, return_counts=True)
    order = random.permutation(len(per_key))
    so_far = np.cumsum(per_key[order])
    chosen = np.zeros(len(per_key), bool)
    chosen[order[so_far <= max(1, round(share * len(keys)))]] = True
    if len(per_key) and not chosen.any():
        chosen[order[0]] = True  # one key alone is larger than the share
    return chosen[rank]


def assign(engine: Engine, sessions: SessionTable, split: SplitSettings) -> tuple[Any, dict[str, Any]]:
    """Split the sessions.

    Returns an Ibis table (session, part, number), where part is 0 train, 1 valid, 2 test and number the order of the
    session inside its part; and the entry `split` of dataset.json. Raises BadInput if a part is empty.
    """
    test, cut = is_test(sessions, split)
    if not test.any() or test.all():
        side = "test" if test.all() else "training"
        raise BadInput(
            f"The split leaves no {'training' if test.all() else 'test'} sessions: all {len(test)} are {side}. "
            f"Change --split {split.method or 'given'} (value {split.value}{'' if cut is None else f', cut at {cut}'})."
        )
    valid = is_valid(sessions, test, split)
    if valid.sum() == (~test).sum():
        raise BadInput(
            f"Validation takes all {valid.sum()} training sessions, and leaves none to train on. "
            f"Lower --validation-share ({split.valid_share}), or give more sessions."
        )
    part = np.where(test, 2, np.where(valid, 1, 0)).astype(np.int64)
    table, counts = number(engine, "parts", sessions.session, sessions.length, part)
    return table, {"rule": split.method or "given", "cut_time": cut, **counts}


def number(
    engine: Engine, name: str, session: Int64, length: Int64, part: Int64
) -> tuple[Any, dict[str, dict[str, int]]]:
    """Number the sessions of each part from 0, in the order given: (S,) each.

    Returns the Ibis table (session, part, number), kept as `name`, and the counts of sessions and events by part.
    """
    numbers = np.zeros(len(part), np.int64)
    counts = {}
    for code, one in enumerate(PARTS):
        mine = part == code
        numbers[mine] = np.arange(mine.sum())
        counts[one] = {"sessions": int(mine.sum()), "events": int(length[mine].sum())}
    path = engine.scratch / f"{name}.parquet"
    pq.write_table(pa.table({"session": session, "part": pa.array(part, pa.int8()), "number": numbers}), path)
    return engine.read(path), counts
