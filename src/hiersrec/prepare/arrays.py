"""Split sessions -> the flat arrays of store/sessions.py, streamed from the engine to disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.prepare.engine import BATCH_ROWS, Engine, arrow
from hiersrec.prepare.split import PARTS


def vocabulary(events: Any) -> pa.Table:
    """The catalogue's items: item_id in sorted order, item from 1, train_count.

    Items are those of the training and the validation sessions; train_count counts events of training sessions only.
    The number of an item follows its external id, never its popularity, so that it tells a model nothing.
    """
    known = events.filter(events["part"] < 2)
    counted = known.group_by("item_id").aggregate(train_count=(known["part"] == 0).sum().cast("int64"))
    found = arrow(counted).sort_by("item_id")
    item = pa.array(np.arange(1, len(found) + 1, dtype=np.int32))
    return pa.table({"item_id": found["item_id"], "item": item, "train_count": found["train_count"]})


def unseen(events: Any, items: pa.Table) -> pa.Table:
    """Items of the test sessions that training never saw: item_id in sorted order, item -1, -2, ..."""
    tested = events.filter(events["part"] == 2).select("item_id").distinct()
    ids = arrow(tested).sort_by("item_id")["item_id"]
    fresh = ids.filter(pc.invert(pc.is_in(ids, value_set=items["item_id"].combine_chunks())))
    return pa.table({"item_id": fresh, "item": pa.array(-np.arange(1, len(fresh) + 1, dtype=np.int32))})


def write_parts(engine: Engine, folder: Path, events: Any, sessions: Any, numbering: pa.Table) -> dict[str, int]:
    """Write train/, valid/ and test/. `events` have session, place, item_id, part, number; `numbering` item_id -> item.

    Returns the number of test events whose item is unseen.
    """
    path = engine.scratch / "numbering.parquet"
    pq.write_table(numbering, path)
    numbered = events.join(engine.read(path), "item_id").select("part", "number", "place", "item")
    unseen_events = 0
    for code, name in enumerate(PARTS):
        part = folder / name
        part.mkdir()
        flat = numbered.filter(numbered["part"] == code).order_by(["number", "place"]).select("number", "item")
        saved = engine.save(engine.scratch / f"flat_{name}.parquet", flat)
        unseen_events += _write_flat(saved, part)
        engine.drop(f"flat_{name}")
        mine = sessions.filter(sessions["part"] == code).order_by("number").select("session_id")
        engine.save(part / "sessions.parquet", mine)
    return {"unseen_test_events": unseen_events}


def _write_flat(saved: Path, folder: Path) -> int:
    """items.npy and offsets.npy from a Parquet file of (number, item) in order; returns how many items are unseen."""
    with pq.ParquetFile(saved) as parquet:
        events = parquet.metadata.num_rows
        items = np.lib.format.open_memmap(folder / "items.npy", mode="w+", dtype=np.int32, shape=(events,))
        starts = [np.empty(0, np.int64)]
        at, previous, unseen_events = 0, -1, 0
        for batch in parquet.iter_batches(BATCH_ROWS):
            number, item = batch.column(0).to_numpy(), batch.column(1).to_numpy()
            items[at : at + len(item)] = item
            unseen_events += int((item < 0).sum())
            starts.append(np.flatnonzero(np.diff(number, prepend=previous)) + at)
            at, previous = at + len(item), int(number[-1])
        items.flush()
    np.save(folder / "offsets.npy", np.concatenate([*starts, [events]]).astype(np.int64))
    return unseen_events
