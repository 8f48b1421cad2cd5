"""A made-up shop of any size, for the other scripts: items in a tree of three levels, and sessions that follow it.

    .venv/bin/python benchmarks/shop.py --items 1000000 --sessions 1000000 --out DIR [--events] [--seed 0]

Without --events DIR becomes a dataset folder that `hiersrec train` takes as it is; with it, DIR gets events/ (Parquet,
in parts) and items.parquet, for `hiersrec prepare`. The same seed and sizes give the same bytes, and more sessions
begin with the same ones. Chunks of 131,072 sessions pass through, so memory does not grow with the sessions.

Sizes of categories, lengths of sessions and popularity within a category follow power laws. The next item is of the
same category in 70 % of the cases and of a sibling's in 20 %, so that next categories can be predicted as they can in
a real shop; which item of the category it is depends only on popularity.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.preparation.catalog import Written
from hiersrec.preparation.statistics import statistics
from hiersrec.store.folder import new_folder, seal
from hiersrec.types import Int32, Int64

CHUNK = 1 << 17
"""Sessions that are in memory at once."""
CHILDREN = 10
"""Categories under one of the level above."""
SAME, SIBLING = 0.7, 0.2
"""Shares of the next items that are of the same category, and of a sibling of it."""
LONGEST, LENGTH_POWER = 50, 1.7
"""Lengths from 2 to 50 with probabilities (length - 1) ** -1.7: a mean of 5, as on Diginetica."""
HELD_OUT = 1_000
"""Sessions of validation, and of test: the same number at any size, so that they cost the same."""
PART = 8
"""Chunks in a file of events."""
START = 1_700_000_000
"""Second of the first event. A session begins each second, with 20 seconds from event to event."""


@dataclass(frozen=True)
class Shop:
    """N items in categories; level 3 is the finest, and node n of it lies under node n // 10 of level 2, from 0."""

    items: int
    seed: int = 0

    @cached_property
    def sizes(self) -> Int64:
        """(C,) int64: items of each category of level 3."""
        random = np.random.default_rng([self.seed, 0])
        count = min(self.items, max(2, round(self.items**0.65)))  # 1,029 at 43 K items, where Diginetica has 995
        weights = random.permutation(np.arange(1, count + 1) ** -0.8)
        sizes = 1 + np.floor((self.items - count) * weights / weights.sum()).astype(np.int64)
        sizes[np.argmax(weights)] += self.items - sizes.sum()
        return sizes

    @cached_property
    def starts(self) -> Int64:
        """(C + 1,) int64: where each category begins in `shelf`."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def shelf(self) -> Int32:
        """(N,) int32: items by category, most popular first."""
        return np.random.default_rng([self.seed, 1]).permutation(self.items).astype(np.int32) + 1

    def nodes(self) -> list[Int32]:
        """Per level, coarse to fine, (N,) int32: the node of each item, from 1."""
        finest = np.zeros(self.items, np.int32)
        finest[self.shelf - 1] = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return [finest // CHILDREN**2 + 1, finest // CHILDREN + 1, finest + 1]

    def lengths(self, chunk: int) -> Int64:
        """(CHUNK,) int64: lengths of a chunk's sessions."""
        odds = np.cumsum(np.arange(1.0, LONGEST) ** -LENGTH_POWER)
        drawn = np.random.default_rng([self.seed, 2, chunk]).random(CHUNK)
        return 2 + np.searchsorted(odds / odds[-1], drawn)

    def chunk(self, chunk: int) -> tuple[Int32, Int64]:
        """Items (E,) int32 of a chunk's sessions, one after another, and their lengths (CHUNK,) int64."""
        random = np.random.default_rng([self.seed, 3, chunk])
        lengths = self.lengths(chunk)
        order = np.argsort(-lengths, kind="stable")  # so that the sessions that go on are the first ones
        table = np.zeros((CHUNK, LONGEST), np.int32)
        category = self._anywhere(random, CHUNK)
        for place in range(lengths.max()):
            left = int((lengths > place).sum())
            if place:
                category = self._next(random, category[:left])
            rank = (self.sizes[category] + 1.0) ** random.random(left) - 1  # rank r with probability about 1 / (r + 1)
            rank = np.minimum(rank.astype(np.int64), self.sizes[category] - 1)
            table[order[:left], place] = self.shelf[self.starts[category] + rank]
        return table[np.arange(LONGEST) < lengths[:, None]], lengths  # row by row

    def _anywhere(self, random: np.random.Generator, count: int) -> Int64:
        """A category with probability by its size."""
        return np.searchsorted(self.starts, random.integers(self.items, size=count), side="right") - 1

    def _next(self, random: np.random.Generator, category: Int64) -> Int64:
        count = len(category)
        move = random.random(count)
        sibling = category // CHILDREN * CHILDREN + random.integers(CHILDREN, size=count)
        sibling = np.minimum(sibling, len(self.sizes) - 1)
        elsewhere = self._anywhere(random, count)
        return np.where(move < SAME, category, np.where(move < SAME + SIBLING, sibling, elsewhere))

    def sessions(self, first: int, count: int) -> Iterator[tuple[int, Int32, Int64]]:
        """Sessions first, ..., first + count - 1 in chunks: number of the first, items (E,), lengths (S,)."""
        for at in range(first // CHUNK, -(-(first + count) // CHUNK)):
            items, lengths = self.chunk(at)
            begin, end = max(first - at * CHUNK, 0), min(first + count - at * CHUNK, CHUNK)
            bounds = np.concatenate([[0], np.cumsum(lengths)])
            yield at * CHUNK + begin, items[bounds[begin] : bounds[end]], lengths[begin:end]

    def events(self, first: int, count: int) -> int:
        """Events of these sessions."""
        total = 0
        for at in range(first // CHUNK, -(-(first + count) // CHUNK)):
            begin, end = max(first - at * CHUNK, 0), min(first + count - at * CHUNK, CHUNK)
            total += int(self.lengths(at)[begin:end].sum())
        return total


def write_dataset(shop: Shop, sessions: int, out: Path) -> None:
    """A dataset folder with `sessions` training sessions, and HELD_OUT more for validation and for test each.

    Every item is in the catalogue, bought or not, so that its size is the one asked for.
    """
    with new_folder(out, "dataset") as folder:
        count = np.zeros(shop.items + 1, np.int64)
        _write_sessions(folder / "train", shop, 0, sessions, count)
        _write_sessions(folder / "valid", shop, sessions, HELD_OUT, None)
        _write_sessions(folder / "test", shop, sessions + HELD_OUT, HELD_OUT, None)
        unseen = {"item_id": pa.array([], pa.int64()), "item": pa.array([], pa.int32())}
        pq.write_table(pa.table(unseen), folder / "test" / "unseen.parquet")
        known = _write_catalog(folder / "catalog", shop, count)
        sizes = {"train": (0, sessions), "valid": (sessions, HELD_OUT), "test": (sessions + HELD_OUT, HELD_OUT)}
        split = {name: {"sessions": at[1], "events": shop.events(*at)} for name, at in sizes.items()}
        written = Written(known, [1.0] * len(known), [], [], 0, 0)
        document = {
            "name": "shop",
            "columns": {"events": {name: name for name in ("session_id", "item_id", "timestamp")}},
            "settings": {"generator": "benchmarks/shop.py", "seed": shop.seed, "split": {"valid": "latest"}},
            "filters": [],
            "split": {"rule": "generated", **split},
            "statistics": {**statistics(split, shop.items, written, 0, 0), "event_types": {}, "agreement": []},
        }
        seal(folder, "dataset", document, [path for path in folder.rglob("*") if path.is_file()])


def _write_sessions(folder: Path, shop: Shop, first: int, count: int, counts: Int64 | None) -> None:
    """items.npy, offsets.npy and sessions.parquet; adds the events of each item to `counts` (N + 1,)."""
    folder.mkdir()
    flat = np.lib.format.open_memmap(folder / "items.npy", "w+", np.int32, (shop.events(first, count),))
    offsets = np.lib.format.open_memmap(folder / "offsets.npy", "w+", np.int64, (count + 1,))
    with pq.ParquetWriter(folder / "sessions.parquet", pa.schema([("session_id", pa.int64())])) as ids:
        at, done = 0, 0
        for number, items, lengths in shop.sessions(first, count):
            flat[at : at + len(items)] = items
            offsets[done : done + len(lengths)] = at + np.cumsum(lengths) - lengths
            ids.write_table(pa.table({"session_id": np.arange(number, number + len(lengths)) + 1}))
            if counts is not None:
                counts += np.bincount(items, minlength=len(counts))
            at, done = at + len(items), done + len(lengths)
    offsets[-1] = at
    flat.flush()
    offsets.flush()


def _write_catalog(folder: Path, shop: Shop, count: Int64) -> list[int]:
    """The catalogue folder of store/catalog.py; returns the categories of each level."""
    (folder / "features").mkdir(parents=True)
    (folder / "features.json").write_text("[]\n")
    columns: dict[str, Any] = {"item": np.arange(1, shop.items + 1, dtype=np.int32)}
    columns |= {"item_id": columns["item"].astype(np.int64), "train_count": count[1:]}
    nodes = shop.nodes()
    known = [int(one.max()) for one in nodes]
    columns |= {f"node_{level}": one for level, one in enumerate(nodes, start=1)}
    columns |= _names(nodes)
    pq.write_table(pa.table(columns), folder / "items.parquet")
    node = [np.arange(1, size + 1, dtype=np.int32) for size in known]
    level = [np.full(size, at, np.int32) for at, size in enumerate(known, start=1)]
    parent = [np.zeros(known[0], np.int32), *((one - 1) // CHILDREN + 1 for one in node[1:])]
    tree = {"level": level, "node": node, "parent": parent}
    table = {name: np.concatenate(parts).astype(np.int32) for name, parts in tree.items()}
    names = pa.array([_name(at, one) for at, size in enumerate(known, start=1) for one in range(1, size + 1)])
    pq.write_table(pa.table({**table, "name": names}), folder / "categories.parquet")
    (folder / "columns.json").write_text(
        '{"item_id": null, "category_path": null, "category_separator": "/", "category_columns": []}\n'
    )
    return known


def _name(level: int, node: int) -> str:
    return f"{level}-{node:06}"


def _names(nodes: list[Int32]) -> dict[str, pa.Array]:
    """category_1, ...: names of the items' nodes."""
    found = {}
    for level, mine in enumerate(nodes, start=1):
        names = pa.array([_name(level, node) for node in range(1, int(mine.max()) + 1)])
        found[f"category_{level}"] = names.take(pa.array(mine - 1))
    return found


def write_events(shop: Shop, sessions: int, out: Path) -> int:
    """out/events/part-000.parquet, ... (session_id, item_id, timestamp) and out/items.parquet; returns the events."""
    (out / "events").mkdir(parents=True)
    ids = np.arange(1, shop.items + 1, dtype=np.int64)
    pq.write_table(pa.table({"item_id": ids, **_names(shop.nodes())}), out / "items.parquet")
    schema = pa.schema([(name, pa.int64()) for name in ("session_id", "item_id", "timestamp")])
    events = 0
    for part, first in enumerate(range(0, sessions, PART * CHUNK)):
        with pq.ParquetWriter(out / "events" / f"part-{part:03}.parquet", schema) as file:
            for number, items, lengths in shop.sessions(first, min(PART * CHUNK, sessions - first)):
                session = np.repeat(np.arange(number, number + len(lengths)), lengths)
                place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
                columns = (session + 1, items.astype(np.int64), START + session + 20 * place)
                file.write_table(pa.table(columns, schema=schema))
                events += len(items)
    return events


def main() -> None:
    """Write one shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--events", action="store_true", help="events and items for prepare, not a dataset folder")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    shop = Shop(wanted.items, wanted.seed)
    if wanted.events:
        print(f"{write_events(shop, wanted.sessions, wanted.out):,} events in {wanted.out}")
    else:
        write_dataset(shop, wanted.sessions, wanted.out)
        print(f"{wanted.sessions:,} training sessions on {wanted.items:,} items in {wanted.out}")


if __name__ == "__main__":
    main()
