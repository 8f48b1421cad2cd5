"""Split sessions -> the flat arrays of store/sessions.py, streamed from the engine to disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.prepare.engine import BATCH_ROWS, Engine
from hiersrec.prepare.sessions import inside
from hiersrec.prepare.split import PARTS
from hiersrec.store.sessions import EVENT_TYPE


def vocabulary(engine: Engine, events: Any) -> pa.Table:
    """The catalogue's items: item_id in sorted order, item from 1, train_count.

    Items are those of the training and the validation sessions; train_count counts events of training sessions only.
    The number of an item follows its external id, never its popularity, so that it tells a model nothing.
    """
    known = events.filter(events["part"] < 2)
    counted = known.group_by("item_id").aggregate(train_count=(known["part"] == 0).sum().cast("int64"))
    found = engine.arrow(counted).sort_by("item_id")
    item = pa.array(np.arange(1, len(found) + 1, dtype=np.int32))
    return pa.table({"item_id": found["item_id"], "item": item, "train_count": found["train_count"]})


def unseen(engine: Engine, events: Any, items: pa.Table) -> pa.Table:
    """Items of the test sessions that training never saw: item_id in sorted order, item -1, -2, ..."""
    tested = events.filter(events["part"] == 2).select("item_id").distinct()
    ids = engine.arrow(tested).sort_by("item_id")["item_id"]
    fresh = ids.filter(pc.invert(pc.is_in(ids, value_set=items["item_id"].combine_chunks())))
    return pa.table({"item_id": fresh, "item": pa.array(-np.arange(1, len(fresh) + 1, dtype=np.int32))})


def write_parts(
    engine: Engine, folder: Path, events: Any, sessions: Any, numbering: pa.Table, sizes: dict[str, int]
) -> int:
    """Write train/, valid/ and test/; returns how many events have an unseen item.

    `events` have item_id, part, number, the columns of `inside` and perhaps type, `sessions` session_id, part and
    number, `numbering` item_id and item; `sizes` are the events of each part.
    """
    path = engine.scratch / "numbering.parquet"
    pq.write_table(numbering, path)
    for name in PARTS:
        (folder / name).mkdir()
    listed = engine.arrow(sessions.order_by(["part", "number"]).select("part", "session_id"))
    for code, name in enumerate(PARTS):
        mine = listed.filter(pc.equal(listed["part"], code)).select(["session_id"])
        pq.write_table(mine, folder / name / "sessions.parquet")
    numbered = events.join(engine.read(path), "item_id").order_by(["part", "number", *inside(events)])
    wanted = [name for name in ("part", "number", "item", "type") if name in numbered.columns]
    flat = engine.save(engine.scratch / "flat.parquet", numbered.select(wanted))
    return sum(_write_flat(flat, code, folder / name, sizes[name]) for code, name in enumerate(PARTS))


def _write_flat(flat: Path, code: int, folder: Path, events: int) -> int:
    """The arrays of one part, from rows (part, number, item, perhaps type) in order; returns its unseen events."""
    items = np.lib.format.open_memmap(folder / "items.npy", mode="w+", dtype=np.int32, shape=(events,))
    types = None
    offsets = []
    at, previous, unseen_events = 0, -1, 0
    with pq.ParquetFile(flat) as parquet:
        if "type" in parquet.schema_arrow.names:
            types = np.lib.format.open_memmap(folder / EVENT_TYPE, mode="w+", dtype=np.int32, shape=(events,))
        for batch in parquet.iter_batches(BATCH_ROWS):
            part, number, item, *type_ = (column.to_numpy() for column in batch.columns)
            mine = part == code
            number, item = number[mine], item[mine]
            if len(item):
                items[at : at + len(item)] = item
                if types is not None:
                    types[at : at + len(item)] = type_[0][mine]
                offsets.append(np.flatnonzero(np.diff(number, prepend=previous)) + at)
                at, previous = at + len(item), int(number[-1])
                unseen_events += int((item < 0).sum())
    assert at == events, "the split counted these events"
    items.flush()
    if types is not None:
        types.flush()
    np.save(folder / "offsets.npy", np.concatenate([*offsets, [events]]).astype(np.int64))
    return unseen_events
