"""Items held out of training completely, to see how a model does on items that are new to it.

The split comes first and stays: a random share of the items loses its events in training and validation sessions, test
sessions keep theirs, and so the items get negative numbers there like any other that training never saw.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.prepare.engine import Engine, numbers
from hiersrec.prepare.settings import SplitSettings
from hiersrec.prepare.split import number
from hiersrec.types import Bool

LEAST = 2
"""Events that a session of training or validation must have left: one item has no next item."""


def chosen(count: int, share: float, seed: int) -> Bool:
    """(I,) which of `count` items, in the order of their ids, are held out: the share, at least one."""
    is_held = np.zeros(count, bool)
    is_held[np.random.default_rng([seed, 2]).permutation(count)[: max(1, round(share * count))]] = True
    return is_held


def hold_out(
    engine: Engine, events: Any, assigned: Any, split: SplitSettings, facts: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Hold a share of the items out of training and validation.

    The items are drawn from all of `events`, in the order of their ids: the draw does not depend on the split. Takes
    and returns what `split.assign` works with: the events, the table (session, part, number), here numbered anew, and
    the entry `split` of dataset.json, here with `held_out`. Raises BadInput if no training or no validation session
    has two events left.
    """
    ids = engine.arrow(events.select("item_id").distinct()).sort_by("item_id")["item_id"]
    held = ids.filter(pa.array(chosen(len(ids), split.hold_out_items, split.seed)))
    path = engine.scratch / "held_out.parquet"
    pq.write_table(pa.table({"item_id": held}), path)
    parted = events.join(assigned.select("session", "part"), "session")
    kept = parted.filter((parted["part"] == 2) | ~parted["item_id"].isin(engine.read(path)["item_id"]))
    counted = kept.group_by("session", "part").aggregate(times=kept.count())
    long = counted.filter((counted["part"] == 2) | (counted["times"] >= LEAST))
    lasting = kept.drop("part").semi_join(long, "session")
    left = engine.keep("events_held_out", lasting)

    lengths = left.group_by("session").aggregate(length=left.count())
    sessions = engine.arrow(assigned.join(lengths, "session").order_by(["part", "number"]))
    session, length, part = (numbers(sessions, name) for name in ("session", "length", "part"))
    again, after = number(engine, "parts_held_out", session, length, part)
    before = {name: facts[name] for name in ("train", "valid")}
    for name, what in (("train", "training"), ("valid", "validation")):
        if not after[name]["sessions"]:
            raise BadInput(
                f"--hold-out-items {split.hold_out_items} holds out {len(held)} of {len(ids)} items, and none of the "
                f"{before[name]['sessions']} {what} sessions has {LEAST} events left. Lower it."
            )
    return left, again, {**facts, **after, "held_out": {"items": len(held), "of": len(ids), "before": before}}
