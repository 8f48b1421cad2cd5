"""Types of events -> codes: from 1 in sorted order, 0 if an event has none or training never saw it."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.preparation.engine import Engine


def encode_types(engine: Engine, events: Any) -> tuple[Any, pa.Table | None]:
    """Add the column type (int32) to events (event_type, part), and return the table of types: name, train_count.

    Types are those of the training and the validation sessions, as text; train_count counts events of training
    sessions only. Returns events without an event_type as they are, and None.
    """
    if "event_type" not in events.columns:
        return events, None
    events = events.mutate(event_type=events["event_type"].cast("string"))
    known = events.filter((events["part"] < 2) & events["event_type"].notnull() & (events["event_type"] != ""))
    counted = known.group_by("event_type").aggregate(train_count=(known["part"] == 0).sum().cast("int64"))
    types = engine.arrow(counted).sort_by("event_type")
    path = engine.scratch / "types.parquet"
    codes = pa.array(np.arange(1, len(types) + 1, dtype=np.int32))
    pq.write_table(pa.table({"event_type": types["event_type"], "code": codes}), path)
    joined = events.left_join(engine.read(path), "event_type")
    joined = joined.mutate(type=joined["code"].fill_null(0).cast("int32")).select(*events.columns, "type")
    return joined, pa.table({"name": types["event_type"], "train_count": types["train_count"]})
