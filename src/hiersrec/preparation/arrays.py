"""Sessions of each split -> the flat arrays of store/sessions.py, streamed from the engine to disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.preparation.engine import BATCH_ROWS, Engine
from hiersrec.preparation.sessions import order_columns
from hiersrec.preparation.split import PARTS
from hiersrec.store.sessions import EVENT_TYPE


def vocabulary(engine: Engine, events: Any) -> pa.Table:
    """The catalogue's items: item_id in sorted order, item from 1, train_count.

    Items are those of the training and the validation sessions; train_count counts events of training sessions only.
    Items are numbered by external id, never by popularity, so that a number tells a model nothing.
    """
    known = events.filter(events["part"] < 2)
    counted = known.group_by("item_id").aggregate(train_count=(known["part"] == 0).sum().cast("int64"))
    items = engine.arrow(counted).sort_by("item_id")
    item = pa.array(np.arange(1, len(items) + 1, dtype=np.int32))
    return pa.table({"item_id": items["item_id"], "item": item, "train_count": items["train_count"]})


def unseen(engine: Engine, events: Any, items: pa.Table) -> pa.Table:
    """Items of the test sessions that training never saw: item_id in sorted order, item -1, -2, ..."""
    tested = events.filter(events["part"] == 2).select("item_id").distinct()
    ids = engine.arrow(tested).sort_by("item_id")["item_id"]
    ids = ids.filter(pc.invert(pc.is_in(ids, value_set=items["item_id"].combine_chunks())))
    return pa.table({"item_id": ids, "item": pa.array(-np.arange(1, len(ids) + 1, dtype=np.int32))})


def write_parts(
    engine: Engine, folder: Path, events: Any, sessions: Any, numbering: pa.Table, sizes: dict[str, int]
) -> int:
    """Write train/, valid/ and test/; returns the number of events with an unseen item.

    `events` have item_id, part, number, the columns of `order_columns` and perhaps type; `sessions` have session_id,
    part and number; `numbering` has item_id and item; `sizes` are the event counts of the parts.
    """
    path = engine.scratch / "numbering.parquet"
    pq.write_table(numbering, path)
    for name in PARTS:
        (folder / name).mkdir()
    ids = engine.arrow(sessions.order_by(["part", "number"]).select("part", "session_id"))
    for code, name in enumerate(PARTS):
        ids_of_part = ids.filter(pc.equal(ids["part"], code)).select(["session_id"])
        pq.write_table(ids_of_part, folder / name / "sessions.parquet")
    numbered = events.join(engine.read(path), "item_id").order_by(["part", "number", *order_columns(events)])
    columns = [name for name in ("part", "number", "item", "type") if name in numbered.columns]
    flat = engine.save(engine.scratch / "flat.parquet", numbered.select(columns))
    return sum(_write_flat(flat, code, folder / name, sizes[name]) for code, name in enumerate(PARTS))


def _write_flat(flat: Path, code: int, folder: Path, events: int) -> int:
    """Write the arrays of one part from sorted rows (part, number, item, perhaps type); returns its unseen events."""
    items = np.lib.format.open_memmap(folder / "items.npy", mode="w+", dtype=np.int32, shape=(events,))
    types = None
    offsets = []
    start, previous, unseen_events = 0, -1, 0
    with pq.ParquetFile(flat) as parquet:
        if "type" in parquet.schema_arrow.names:
            types = np.lib.format.open_memmap(folder / EVENT_TYPE, mode="w+", dtype=np.int32, shape=(events,))
        for batch in parquet.iter_batches(BATCH_ROWS):
            part, number, item, *type_ = (column.to_numpy() for column in batch.columns)
            in_part = part == code
            number, item = number[in_part], item[in_part]
            if len(item):
                items[start : start + len(item)] = item
                if types is not None:
                    types[start : start + len(item)] = type_[0][in_part]
                offsets.append(np.flatnonzero(np.diff(number, prepend=previous)) + start)
                start, previous = start + len(item), int(number[-1])
                unseen_events += int((item < 0).sum())
    assert start == events, "the split counted these events"
    items.flush()
    if types is not None:
        types.flush()
    np.save(folder / "offsets.npy", np.concatenate([*offsets, [events]]).astype(np.int64))
    return unseen_events
