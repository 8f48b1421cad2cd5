import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import known_nodes


def write(folder: Path, item_ids: list[Any]) -> Path:
    """Three items in two levels: Home > Lamps, Home > (unknown), Garden > Pots; one text column."""
    items = {
        "item": pa.array([1, 2, 3], pa.int32()),
        "item_id": item_ids,
        "train_count": [5, 0, 2],
        "node_1": pa.array([2, 2, 1], pa.int32()),
        "node_2": pa.array([2, 3, 1], pa.int32()),
        "category_1": ["Home", "Home", "Garden"],
        "category_2": ["Lamps", None, "Pots"],
        "title": ["Red lamp", None, "Pot"],
    }
    nodes = {
        # Level 2 stands in the wrong order, to see that the node's number decides.
        "level": [1, 1, 2, 2, 2],
        "node": pa.array([1, 2, 3, 1, 2], pa.int32()),
        "parent": pa.array([0, 0, 2, 1, 2], pa.int32()),
        "name": ["Garden", "Home", None, "Pots", "Lamps"],
    }
    folder.mkdir()
    pq.write_table(pa.table(items), folder / "items.parquet")
    pq.write_table(pa.table(nodes), folder / "categories.parquet")
    facts = [{"name": "title", "kind": "text", "vocabulary": 4, "coverage": 2 / 3}]
    (folder / "features.json").write_text(json.dumps(facts))
    (folder / "features").mkdir()
    np.save(folder / "features" / "title.npy", np.array([[0, 0], [1, 2], [0, 0], [3, 0]], np.int32))
    return folder


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.open(write(tmp_path / "catalog", ["a", "b", "7"]))


def test_levels(catalog: Catalog) -> None:
    first, second = catalog.levels

    assert (first.num_known, first.num_nodes, first.names) == (2, 2, [None, "Garden", "Home"])
    assert (second.num_known, second.num_nodes, second.names) == (2, 3, [None, "Pots", "Lamps", None])
    assert second.parents.tolist() == [0, 1, 2, 2]


def test_known_nodes_come_before_unknown_ones(catalog: Catalog) -> None:
    for level in catalog.levels:
        names = level.names[1:]
        assert all(name is not None for name in names[: level.num_known])
        assert all(name is None for name in names[level.num_known :])


def test_unknown_nodes_of_items_are_left_out(catalog: Catalog) -> None:
    assert known_nodes(catalog).tolist() == [[0, 0], [2, 2], [2, 0], [1, 1]]
    assert known_nodes(catalog, np.array([3, 2], np.int32)).tolist() == [[1, 1], [2, 0]]


def test_item_tables_have_a_row_for_padding(catalog: Catalog) -> None:
    assert catalog.num_items == 3
    assert catalog.item_nodes.tolist() == [[0, 0], [2, 2], [2, 3], [1, 1]]
    assert catalog.item_nodes.dtype == np.int32
    assert catalog.train_count.tolist() == [0, 5, 0, 2]
    assert catalog.train_count.dtype == np.int64


def test_the_path_of_an_item_leaves_missing_levels_open(catalog: Catalog) -> None:
    assert [catalog.path(item) for item in (1, 2, 3)] == [["Home", "Lamps"], ["Home", None], ["Garden", "Pots"]]


def test_features(catalog: Catalog) -> None:
    (title,) = catalog.features

    assert (title.name, title.kind, title.vocabulary, title.coverage) == ("title", "text", 4, 2 / 3)
    assert title.values.tolist() == [[0, 0], [1, 2], [0, 0], [3, 0]]


def test_text_ids_there_and_back(catalog: Catalog) -> None:
    internal = catalog.to_internal(["7", "no such", "a", 7])

    assert internal.tolist() == [3, 0, 1, 3]
    assert internal.dtype == np.int32
    assert catalog.to_external(np.array([3, 1], np.int32)) == ["7", "a"]


def test_number_ids_there_and_back(tmp_path: Path) -> None:
    catalog = Catalog.open(write(tmp_path / "catalog", [10, -20, 30]))

    assert catalog.to_internal([30, "10", " -20 ", "x", 11, "--10", "", "1.0"]).tolist() == [3, 1, 2, 0, 0, 0, 0, 0]
    assert catalog.to_external(np.array([2, 3], np.int32)) == [-20, 30]


def test_no_ids_at_all(catalog: Catalog) -> None:
    assert catalog.to_internal([]).shape == (0,)
    assert catalog.to_external(np.zeros(0, np.int32)) == []


def test_display_columns(catalog: Catalog) -> None:
    assert catalog.column("title", np.array([3, 2], np.int32)) == ["Pot", None]
    assert catalog.column("price", np.array([3, 2], np.int32)) is None


def test_a_catalogue_without_categories_or_features(tmp_path: Path) -> None:
    folder = write(tmp_path / "catalog", ["a", "b", "c"])
    table = pq.read_table(folder / "items.parquet").select(["item", "item_id", "train_count"])
    pq.write_table(table, folder / "items.parquet")
    pq.write_table(pq.read_table(folder / "categories.parquet").slice(0, 0), folder / "categories.parquet")
    (folder / "features.json").write_text("[]")

    catalog = Catalog.open(folder)

    assert (catalog.levels, catalog.features) == ([], [])
    assert catalog.item_nodes.shape == (4, 0)
    assert catalog.path(1) == []
