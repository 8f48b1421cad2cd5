"""The split leave-last: the last item of each session tests, the one before validates, the others train.

The protocol of the sequential literature (SASRec, BERT4Rec), where a session is the whole history of a user. A test
session is the whole sequence and a validation session all but its last item; in both only the last item is a target
(`Sessions.last_only`). A training session is the sequence without its last two items. Sessions of fewer than 3 items,
which can't be divided, only train, as in SASRec.
"""

from typing import Any

import ibis

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine, int64
from hiersrec.preparation.sessions import order_columns
from hiersrec.preparation.split import PARTS, number_parts
from hiersrec.types import Say

MIN_LENGTH = 3
"""An item each for training, validation and test."""


def assign(engine: Engine, events: Any, say: Say) -> tuple[Any, Any, dict[str, Any]]:
    """Divide every session.

    Takes events with `session` and the columns of `order_columns`. Returns the events with `part`, each once for every
    part that it is in; and as `split.assign` the table (session, part, number) and the entry `split` of dataset.json.
    Sessions of a part are numbered by the time of their last event in it. Raises BadInput if all are too short.
    """
    by_session = ibis.window(group_by="session")
    backwards = ibis.window(group_by="session", order_by=[ibis.desc(name) for name in order_columns(events)])
    ranked = engine.keep(
        "events_ranked",
        events.mutate(from_end=ibis.row_number().over(backwards), length=events.count().over(by_session)),
    )
    is_short = ranked["length"] < MIN_LENGTH
    sides = [
        ranked.filter(is_short | (ranked["from_end"] >= 2)),
        ranked.filter(~is_short & (ranked["from_end"] >= 1)),
        ranked.filter(~is_short),
    ]
    parted = [
        side.mutate(part=ibis.literal(code, type="int8")).drop("from_end", "length") for code, side in enumerate(sides)
    ]
    divided = engine.keep("events_divided", ibis.union(*parted))
    aggregates = {"length": divided.count()}
    if "time" in divided.columns:
        aggregates["end"] = divided["time"].max()
    order = ["part", *(["end"] if "time" in divided.columns else []), "session"]
    rows = engine.arrow(divided.group_by("session", "part").aggregate(**aggregates).order_by(order))
    session, length, part = (int64(rows, name) for name in ("session", "length", "part"))
    short = int((part == 0).sum() - (part == PARTS.index("test")).sum())
    if short == (part == 0).sum():
        raise BadInput(
            f"--split leave-last:1 needs sessions of at least {MIN_LENGTH} items, and all {short:,} are shorter. If "
            "users come back, take all events of a user as one session (--session-id user_id), or choose another split."
        )
    if short:
        say(
            f"prepare: {short:,} of {(part == 0).sum():,} sessions have fewer than {MIN_LENGTH} items: they train, and "
            "neither validate nor test"
        )
    table, counts = number_parts(engine, "parts", session, length, part)
    return divided, table, {"rule": "leave_last", "cut_time": None, "targets": "last", "too_short": short, **counts}
