"""The catalogue: items, their category path, their features. The only place that maps external ids to internal ones.

A catalogue is a folder, identical in a dataset and in a run:

    items.parquet        item (int32, 1..N), item_id (as given), train_count, node_1..node_L, category_1..category_L
                         (names, null where missing), and every other column of the items table, for display
    categories.parquet   level, node (int32), parent (node one level up, 0 at level 1), name (null: unknown node)
    features.json        [{"name", "kind", "vocabulary", "coverage"}] of the metadata columns, in order
    event_types.parquet  name, train_count, in the order of their codes from 1; only where the events have types
    features/NAME.npy    (N + 1, W): W int32 tokens of each item, 0 is none, or a float32 vector; row 0 is padding
    features/NAME.json   the codebook of a column, and its arrays in NAME.KEY.npy (preparation/codebook.py)
    columns.json         how the items table was read, for preparation/extend_catalog.py

Nodes of a level run from 1: first the C known ones, then the unknown ones (a missing level under some parent). Only
known nodes can be predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.store.arrow import numbers, read_parquet, take
from hiersrec.store.item_catalog import Level, stored_id
from hiersrec.store.json_form import Form, file_name, read_json
from hiersrec.store.labels import COLUMN, EVENT_TYPE, Labels, of_event_types, of_items
from hiersrec.store.paths import PATH, path_labels
from hiersrec.types import CATEGORY, ExternalId, Float32, Int32, Int64

EVENT_TYPES = "event_types.parquet"
FEATURE: Form = {"name": str, "kind": str, "vocabulary": int, "coverage": float}
"""Of an entry of features.json."""


@dataclass(frozen=True)
class Feature:
    """One metadata column of the items."""

    name: str
    kind: str
    """"categorical", "multi", "text" or "numeric": tokens. "vector", "tfidf" or "pretrained": vectors."""
    vocabulary: int
    """Rows of its embedding table, padding included; 0 for vectors."""
    coverage: float
    """Share of the items that have a value."""
    values: Int32 | Float32
    """(N + 1, W) int32 tokens below `vocabulary`, 0 is none; or float32 vectors, zeros if missing. Row 0 is padding."""

    @property
    def is_vector(self) -> bool:
        return self.values.dtype == np.float32


@dataclass(frozen=True)
class Catalog:
    """Everything a model or a recommender knows about items; equal in the dataset and in the run folder."""

    items: pa.Table
    levels: list[Level]
    features: list[Feature]
    event_types: Mapping[str, int] = field(default_factory=dict)
    """Type of an event -> its training events, in the order of the types' codes from 1; empty without types."""

    @classmethod
    def open(cls, folder: Path) -> "Catalog":
        """Read a catalogue folder; feature values stay on disk, memory-mapped."""
        items = read_parquet(folder / "items.parquet")
        nodes = read_parquet(folder / "categories.parquet")
        depth = next(level for level in count() if f"node_{level + 1}" not in items.column_names)
        of_level = numbers(nodes["level"])
        levels = [_level(take(nodes, np.flatnonzero(of_level == level))) for level in range(1, depth + 1)]
        features = []
        for facts in read_features(folder):
            values = np.load(folder / "features" / f"{facts['name']}.npy", mmap_mode="r")
            features.append(Feature(**facts, values=values))
        event_types = {}
        if (folder / EVENT_TYPES).is_file():
            types = read_parquet(folder / EVENT_TYPES)
            event_types = dict(zip(types["name"].to_pylist(), types["train_count"].to_pylist(), strict=True))
        return cls(items, levels, features, event_types)

    @property
    def num_items(self) -> int:
        return int(self.items.num_rows)

    @cached_property
    def item_nodes(self) -> Int32:
        """(N + 1, L) int32: node of each item at each level; row 0 is zero."""
        table = np.zeros((self.num_items + 1, len(self.levels)), np.int32)
        for level in range(len(self.levels)):
            table[1:, level] = numbers(self.items[f"node_{level + 1}"])
        return table

    @cached_property
    def train_count(self) -> Int64:
        """(N + 1,) int64: interactions of each item in the training sessions; entry 0 is zero."""
        return np.concatenate([[0], numbers(self.items["train_count"])]).astype(np.int64)

    @cached_property
    def labels(self) -> dict[str, Labels]:
        """The classes of each auxiliary task that these items allow, by the task's name."""
        labels = {}
        for column, level in enumerate(self.levels):
            names = level.names[1 : level.num_known + 1]
            labels[f"{CATEGORY}{column + 1}"] = of_items(names, self.item_nodes[:, column], self.train_count)
        if self.levels:
            labels[PATH] = path_labels(self.levels, self.item_nodes, self.train_count)
        for feature in self.features:
            if feature.kind == "categorical":
                codes = feature.values[:, 0].astype(np.int32)
                labels[f"{COLUMN}{feature.name}"] = of_items(self._values_of(feature), codes, self.train_count)
        if self.event_types:
            labels[EVENT_TYPE] = of_event_types(self.event_types)
        return labels

    def _values_of(self, feature: Feature) -> list[str]:
        """The values of a categorical column, in the order of their codes from 1, as text."""
        row_of = np.zeros(feature.vocabulary, np.int32)
        row_of[feature.values[1:, 0]] = np.arange(self.num_items)  # any item that has the value
        return [str(value) for value in take(self.items[feature.name], row_of[1:]).to_pylist()]

    @cached_property
    def _internal(self) -> dict[ExternalId | None, int]:
        return {external: item for item, external in enumerate(self.items["item_id"].to_pylist(), start=1)}

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown; ids are converted to the type that the catalogue stores."""
        internal, are_numbers = self._internal, pa.types.is_integer(self.items["item_id"].type)
        return np.array([internal.get(stored_id(item_id, are_numbers), 0) for item_id in item_ids], np.int32)

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""
        ids: list[ExternalId] = take(self.items["item_id"], items - 1).to_pylist()
        return ids

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Values of a display column for internal ids, or None if the catalogue has no such column."""
        return take(self.items[name], items - 1).to_pylist() if name in self.items.column_names else None

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""
        return [level.names[node] for level, node in zip(self.levels, self.item_nodes[item], strict=True)]


def read_features(folder: Path) -> list[dict[str, Any]]:
    """Name, kind, vocabulary and coverage of the features of a catalogue folder. Raises BadFolder."""
    path, way_out = folder / "features.json", "Prepare the dataset again; if it is of a run, train again."
    document = read_json(path, [FEATURE], way_out)
    for facts in document:
        file_name(facts["name"], path, way_out)
    return [{name: facts[name] for name in FEATURE} for facts in document]


def _level(nodes: pa.Table) -> Level:
    nodes = nodes.sort_by("node")
    names = [None, *nodes["name"].to_pylist()]
    parents = np.concatenate([[0], numbers(nodes["parent"])]).astype(np.int32)
    return Level(num_known=sum(name is not None for name in names), names=names, parents=parents)
