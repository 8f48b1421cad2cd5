"""Items held out of training completely, to measure a model on items that are new to it.

The split is made first and stays: a random share of the items loses its events in training and validation sessions.
Test sessions keep them, so there these items get negative numbers like all others that training never saw.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine, int64
from hiersrec.preparation.settings import SplitSettings
from hiersrec.preparation.split import number_parts
from hiersrec.types import Bool

MIN_LENGTH = 2
"""Events that a training or validation session must have left: one item has no next item."""


def chosen(count: int, share: float, seed: int) -> Bool:
    """(I,) whether each of `count` items, in the order of their ids, is held out; at least one is."""
    is_held = np.zeros(count, bool)
    is_held[np.random.default_rng([seed, 2]).permutation(count)[: max(1, round(share * count))]] = True
    return is_held


def hold_out(
    engine: Engine, events: Any, assigned: Any, split: SplitSettings, facts: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Hold a share of the items out of training and validation.

    The items are drawn from all of `events`, in the order of their ids, so the draw does not depend on the split. Takes
    and returns the events, the table (session, part, number) and the entry `split` of dataset.json, as `split.assign`
    makes them; the returned ones have new numbers and `held_out`. Raises BadInput if no training or no validation
    session has two events left.
    """
    ids = engine.arrow(events.select("item_id").distinct()).sort_by("item_id")["item_id"]
    held = ids.filter(pa.array(chosen(len(ids), split.hold_out_items, split.seed)))
    path = engine.scratch / "held_out.parquet"
    pq.write_table(pa.table({"item_id": held}), path)
    parted = events.join(assigned.select("session", "part"), "session")
    kept = parted.filter((parted["part"] == 2) | ~parted["item_id"].isin(engine.read(path)["item_id"]))
    counted = kept.group_by("session", "part").aggregate(times=kept.count())
    long = counted.filter((counted["part"] == 2) | (counted["times"] >= MIN_LENGTH))
    left = engine.keep("events_held_out", kept.drop("part").semi_join(long, "session"))

    lengths = left.group_by("session").aggregate(length=left.count())
    sessions = engine.arrow(assigned.join(lengths, "session").order_by(["part", "number"]))
    session, length, part = (int64(sessions, name) for name in ("session", "length", "part"))
    numbered, after = number_parts(engine, "parts_held_out", session, length, part)
    before = {name: facts[name] for name in ("train", "valid")}
    for name, adjective in (("train", "training"), ("valid", "validation")):
        if not after[name]["sessions"]:
            raise BadInput(
                f"--hold-out-items {split.hold_out_items} holds out {len(held)} of {len(ids)} items, and none of the "
                f"{before[name]['sessions']} {adjective} sessions has {MIN_LENGTH} events left. Lower it."
            )
    return left, numbered, {**facts, **after, "held_out": {"items": len(held), "of": len(ids), "before": before}}
