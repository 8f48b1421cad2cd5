"""Types of events -> their numbers: types in sorted order from 1, 0 where there is none or training never saw it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.prepare.engine import Engine
from hiersrec.store.catalog import EVENT_TYPES


def number(engine: Engine, events: Any) -> tuple[Any, pa.Table | None]:
    """Events (event_type, part) -> the same with type (int32), and the table of types: name, train_count.

    Types are those of the training and the validation sessions, as text; train_count counts events of training
    sessions only. Events without types come back as they are, with no table.
    """
    if "event_type" not in events.columns:
        return events, None
    events = events.mutate(event_type=events["event_type"].cast("string"))
    known = events.filter((events["part"] < 2) & events["event_type"].notnull() & (events["event_type"] != ""))
    counted = known.group_by("event_type").aggregate(train_count=(known["part"] == 0).sum().cast("int64"))
    found = engine.arrow(counted).sort_by("event_type")
    path = engine.scratch / "types.parquet"
    codes = pa.array(np.arange(1, len(found) + 1, dtype=np.int32))
    pq.write_table(pa.table({"event_type": found["event_type"], "code": codes}), path)
    joined = events.left_join(engine.read(path), "event_type")
    joined = joined.mutate(type=joined["code"].fill_null(0).cast("int32")).select(*events.columns, "type")
    return joined, pa.table({"name": found["event_type"], "train_count": found["train_count"]})


def write(catalog: Path, types: pa.Table | None) -> None:
    """Write the types into a catalogue folder; a type is part of it only where the events have types."""
    if types is not None:
        pq.write_table(types, catalog / EVENT_TYPES)


def counts(types: pa.Table | None) -> dict[str, int]:
    """Type -> its training events, for the statistics; empty without types."""
    return {} if types is None else dict(zip(*(types[name].to_pylist() for name in types.column_names), strict=True))
