"""The catalogue: items, their category path, their features. The one place where external ids meet internal ones.

A catalogue is a folder of its own, alike in a dataset and in a run:

    items.parquet        item (int32, 1..N), item_id (as given), train_count, node_1..node_L, category_1..category_L
                         (names, null where missing), and every other column of the items table, for display
    categories.parquet   level, node (int32), parent (node one level up, 0 at level 1), name (null: unknown node)
    features.json        [{"name", "kind", "vocabulary", "coverage"}] of the metadata columns, in order
    features/NAME.npy    (N + 1, W) int32, W tokens of each item, 0 is none; row 0 is padding

Nodes of a level run from 1: first the C known ones, then the unknown ones (a missing level under some parent). Only
known nodes can be predicted.
"""

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.types import ExternalId, Int32, Int64


@dataclass(frozen=True)
class Feature:
    """One metadata column: tokens (N + 1, W) int32 below `vocabulary`, 0 is none."""

    name: str
    kind: str
    """"categorical" (W = 1) or "text" (the first W words)."""
    vocabulary: int
    """Rows of its embedding table, padding included."""
    coverage: float
    """Share of the items that have a value."""
    tokens: Int32


@dataclass(frozen=True)
class Level:
    """One category level. names[node] and parents[node] for node = 0 (padding), 1..C known, then unknown ones."""

    num_known: int
    names: list[str | None]
    parents: Int32

    @property
    def num_nodes(self) -> int:
        """Known and unknown nodes, padding not counted."""
        return len(self.names) - 1


@dataclass(frozen=True)
class Catalog:
    """Everything a model or a recommender knows about items; equal in the dataset and in the run folder."""

    items: pa.Table
    levels: list[Level]
    features: list[Feature]

    @classmethod
    def open(cls, folder: Path) -> "Catalog":
        """Read a catalogue folder; feature tokens stay on disk, memory-mapped."""
        items = pq.read_table(folder / "items.parquet")
        nodes = pq.read_table(folder / "categories.parquet")
        depth = sum(name.startswith("node_") for name in items.column_names)
        levels = [_level(nodes.filter(pc.equal(nodes["level"], level))) for level in range(1, depth + 1)]
        listed: list[dict[str, Any]] = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        features = [
            Feature(**facts, tokens=np.load(folder / "features" / f"{facts['name']}.npy", mmap_mode="r"))
            for facts in listed
        ]
        return cls(items, levels, features)

    @property
    def num_items(self) -> int:
        """N."""
        return int(self.items.num_rows)

    @cached_property
    def item_nodes(self) -> Int32:
        """(N + 1, L) int32: node of each item at each level; row 0 is zero."""
        table = np.zeros((self.num_items + 1, len(self.levels)), np.int32)
        for level in range(len(self.levels)):
            table[1:, level] = self.items[f"node_{level + 1}"].to_numpy()
        return table

    @cached_property
    def train_count(self) -> Int64:
        """(N + 1,) int64: interactions of each item in the training sessions; entry 0 is zero."""
        return np.concatenate([[0], self.items["train_count"].to_numpy()]).astype(np.int64)

    @cached_property
    def _internal(self) -> dict[ExternalId, int]:
        return {external: item for item, external in enumerate(self.items["item_id"].to_pylist(), start=1)}

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown; text becomes a number where the catalogue has numbers."""
        known = self._internal
        if pa.types.is_integer(self.items["item_id"].type):
            item_ids = [int(one) if _is_number(one) else one for one in item_ids]
        else:
            item_ids = [str(one) for one in item_ids]
        return np.array([known.get(one, 0) for one in item_ids], np.int32)

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""
        found: list[ExternalId] = self.items["item_id"].take(pa.array(items - 1)).to_pylist()
        return found

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Values of a display column for internal ids, or None if the catalogue has no such column."""
        return self.items[name].take(pa.array(items - 1)).to_pylist() if name in self.items.column_names else None

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""
        return [level.names[node] for level, node in zip(self.levels, self.item_nodes[item], strict=True)]


def _is_number(one: ExternalId) -> bool:
    return isinstance(one, str) and one.strip().removeprefix("-").isdecimal()


def _level(nodes: pa.Table) -> Level:
    nodes = nodes.sort_by("node")
    names = [None, *nodes["name"].to_pylist()]
    parents = np.concatenate([[0], nodes["parent"].to_numpy()]).astype(np.int32)
    return Level(num_known=sum(name is not None for name in names), names=names, parents=parents)


def copy_catalog(source: Path, target: Path) -> None:
    """Copy a catalogue folder, so that a run is enough for inference."""
    shutil.copytree(source, target)
