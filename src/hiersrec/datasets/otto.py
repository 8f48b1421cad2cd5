"""OTTO: clicks, carts and orders of a web shop and app, four weeks and a fifth for test.

Source: OTTO Recommender Systems Dataset, https://github.com/otto-de/recsys-dataset, 2022; CC BY 4.0, not shipped. The
files are otto-recsys-train.jsonl and otto-recsys-test.jsonl (also train.jsonl and test.jsonl, and each with .gz), a
session a line: {"session": 1, "events": [{"aid": 1, "ts": 1661724000278, "type": "clicks"}]}, with times in ms.

Where the test file is not there, `--split last-days:7` tests on the last week. There are no categories: find clusters
with `--implicit-categories`. The competition counts other targets (all later carts and orders), so its numbers do not
compare.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as json
import pyarrow.parquet as pq

from hiersrec.datasets._facts import Facts, need_files, need_folder
from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="OTTO Recommender Systems Dataset",
    url="https://github.com/otto-de/recsys-dataset",
    licence="CC BY 4.0",
    citation="Normann, Baumeister and Wilm: OTTO Recommender Systems Dataset. 2022",
    expected={},
)
SETTINGS = PrepareSettings(split=SplitSettings(method="given"))
EVENT = pa.struct([("aid", pa.int64()), ("ts", pa.int64()), ("type", pa.string())])
LINE = pa.schema([("session", pa.int64()), ("events", pa.list_(EVENT))])
EVENTS = pa.schema(
    [
        ("session_id", pa.int64()),
        ("position", pa.int64()),
        ("item_id", pa.int64()),
        ("timestamp", pa.timestamp("ms")),
        ("event_type", pa.string()),
    ]
)
BLOCK = 1 << 24
"""Bytes of text read at once, several times the longest session."""


def source(folder: Path | None = None) -> Source:
    """The training and, if it is there, the test file of a folder. Raises BadInput without the former."""
    folder = need_folder(folder, "otto", SOURCE)
    train = _find(folder, "train")
    if train is None:
        [train] = need_files(folder, ("otto-recsys-train.jsonl",), "OTTO")
    return Source("otto", train, test_events=_find(folder, "test"), convert=_from_raw)


def _find(folder: Path, part: str) -> Path | None:
    names = (f"{stem}.jsonl{end}" for stem in (f"otto-recsys-{part}", part) for end in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _from_raw(raw: Source, engine: Engine) -> Source:
    """Sessions a line -> events a row."""
    train = _events(raw.events, engine.scratch / "train_events.parquet")
    test = None if raw.test_events is None else _events(raw.test_events, engine.scratch / "test_events.parquet")
    return Source(raw.name, train, test_events=test)


def _events(file: Path, out: Path) -> Path:
    """Write the events of a file of sessions, in its order. Raises BadInput if a line is not such a session."""
    with pq.ParquetWriter(out, EVENTS) as writer:
        for batch in _lines(file):
            events = batch["events"]
            lines = pc.list_parent_indices(events)  # lists that are null or empty have no event
            flat = pc.list_flatten(events)
            starts = pc.subtract(events.offsets.take(lines), events.offsets[0])
            ids, times, types = (flat.field(number) for number in range(3))
            session = batch["session"].take(lines)
            if any(values.null_count for values in (batch["session"], ids, times)):
                raise BadInput(f"{file}: a session or an event lacks session, aid or ts. Download the file again.")
            position = pc.subtract(pa.array(np.arange(len(flat))), starts)
            columns = [session, position, ids, times.cast(pa.timestamp("ms")), types]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=EVENTS))
    return out


def _lines(file: Path) -> Iterator[pa.RecordBatch]:
    options = json.ParseOptions(explicit_schema=LINE, unexpected_field_behavior="ignore")
    try:
        with (
            pa.input_stream(file, compression="detect") as stream,
            json.open_json(stream, json.ReadOptions(block_size=BLOCK), options) as reader,
        ):
            yield from reader
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(
            f"{file} can't be read: {error}. A line holds a session as JSON, as {SOURCE.url} describes it. Download "
            "the file again."
        ) from error
