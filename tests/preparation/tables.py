"""A small random shop as plain rows, written as files of any kind, and prepared."""

import csv
import gzip
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.store.dataset import Dataset

Rows = list[dict[str, Any]]
TREE = {"books": ("novels", "maps"), "garden": ("seeds", "tools", None), None: (None,)}
LATEST = PrepareSettings(split=SplitSettings(method="fraction", value=0.25, valid="latest", valid_share=0.2))


def events(seed: int = 0, sessions: int = 30, items: int = 12) -> Rows:
    """Sessions of 1 to 7 events with times that all differ; rows in the order of time, so sessions are mixed up."""
    chance = random.Random(seed)  # noqa: S311  (test data)
    rows: Rows = []
    for session in range(sessions):
        start = 1_460_000_000 + chance.randrange(20) * 43_200
        for step in range(chance.randrange(1, 8)):
            rows.append(
                {
                    "session_id": 500 - session,
                    "item_id": int(chance.triangular(1, items + 1, 1)),
                    "timestamp": start + step * 1_000 + session,
                    "user_id": f"u{session % 5}",
                    "event_type": chance.choice(["view", "view", "cart"]),
                }
            )
    return sorted(rows, key=lambda row: row["timestamp"])


def items(count: int = 12) -> Rows:
    """Items with two levels, some missing, a title, a brand, a price, in another order than that of the ids."""
    paths = [(top, low) for top, lows in TREE.items() for low in lows]
    return [
        {
            "item_id": item,
            "category_1": paths[item % len(paths)][0],
            "category_2": paths[item % len(paths)][1],
            "title": f"Thing no {item}, {'red' if item % 2 else 'blue'}",
            "brand": ["Acme", "Zeta", None][item % 3],
            "price": item * 10,
        }
        for item in range(count, 0, -1)
    ]


def write(path: Path, rows: Rows) -> Path:
    """Write rows as CSV, TSV or Parquet, as the name says; None is blank in CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as stream:
        lines = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if ".tsv" in path.name else ",")
        lines.writeheader()
        lines.writerows(rows)
    return path


def made(
    out: Path,
    rows: Rows,
    settings: PrepareSettings = LATEST,
    item_rows: Rows | None = None,
    test_rows: Rows | None = None,
    suffix: str = ".parquet",
    say: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Write rows as files next to `out`, prepare them into `out`, and open it."""
    folder = out.parent / f"{out.name}_files"
    source = Source(
        "shop",
        write(folder / f"events{suffix}", rows),
        None if item_rows is None else write(folder / f"items{suffix}", item_rows),
        None if test_rows is None else write(folder / f"test{suffix}", test_rows),
    )
    prepare(source, out, settings, say=say)
    return Dataset.open(out)


def plain(data: Dataset) -> dict[str, list[tuple[Any, list[Any]]]]:
    """Split -> (session id, external item ids) of each session; an unseen item is "new"."""
    result = {}
    for split in ("train", "valid", "test"):
        sessions = data.sessions(split)
        assert sessions.session_ids is not None
        names = sessions.session_ids.to_pylist()
        result[split] = [
            (name, [data.catalog.to_external(np.array([item]))[0] if item > 0 else "new" for item in sessions[index]])
            for index, name in enumerate(names)
        ]
    return result


def contents(folder: Path) -> dict[str, Any]:
    """Everything in a dataset folder but its seal: arrays as bytes, tables as rows."""
    result: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".parquet":
            result[name] = pq.read_table(path).to_pylist()
        elif path.is_file() and path.name != "dataset.json":
            result[name] = path.read_bytes()
    return result


def with_part(settings: PrepareSettings, part: str, **values: Any) -> PrepareSettings:
    """Settings with some fields of one part changed."""
    return replace(settings, **{part: replace(getattr(settings, part), **values)})
