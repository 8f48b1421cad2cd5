"""What a bundle keeps of a catalogue answers as the catalogue does."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.store.bundle_catalog import BundleCatalog, pack
from hiersrec.store.catalog import Catalog
from tests.model import world as models
from tests.serving import world
from tests.toy import catalog as toy
from tests.toy import walks


def with_column(catalog: Catalog, name: str, values: object) -> Catalog:
    items = catalog.items.drop_columns([name]) if name in catalog.items.column_names else catalog.items
    return dataclasses.replace(catalog, items=items.append_column(name, pa.array(values)))


def titled(titles: list[str | None], counts: list[int]) -> Catalog:
    """A catalogue of nothing but ids "i1", ..., titles and counts."""
    size = len(titles)
    items = pa.table(
        {
            "item": pa.array(range(1, size + 1), pa.int32()),
            "item_id": [f"i{n}" for n in range(1, size + 1)],
            "train_count": pa.array(counts, pa.int64()),
            "title": pa.array(titles, pa.string()),
        }
    )
    return Catalog(items, [], [])


CATALOGS = {
    "toy": lambda: toy(walks(50, 0)),
    "some titles missing": world.catalog,
    "no titles, all kinds of tasks": models.catalog,
    "no levels": lambda: models.catalog(levels=False, features=False),
    "numbers": lambda: with_column(world.catalog(), "item_id", [-7, 0, 3, 40, 41, 2**62]),
    "added later, so not in order of id": lambda: with_column(world.catalog(), "item_id", [3, 40, 41, 50, -7, 0]),
    "text beyond ASCII": lambda: with_column(world.catalog(), "item_id", ["", "Z", "a", "ß", "日本", "😀"]),
}


def packed(catalog: Catalog, folder: Path) -> BundleCatalog:
    pack(catalog, folder / "catalog")
    return BundleCatalog(folder / "catalog")


@pytest.mark.parametrize("name", CATALOGS)
def test_every_question_has_the_same_answer(name, tmp_path) -> None:
    catalog = CATALOGS[name]()
    bundle = packed(catalog, tmp_path)
    items = np.arange(1, catalog.num_items + 1, dtype=np.int32)
    ids = catalog.to_external(items)

    assert bundle.num_items == catalog.num_items
    assert bundle.to_external(items) == ids
    assert [type(item_id) for item_id in bundle.to_external(items)] == [type(item_id) for item_id in ids]
    queries = [*ids, *map(str, ids), "a", "b ", " 40", "-", "-7", "٣", "\ud800", 3, -1, 10**30, str(10**30)]
    np.testing.assert_array_equal(bundle.to_internal(queries), catalog.to_internal(queries))
    assert bundle.to_internal(queries).dtype == np.int32
    assert bundle.column("title", items[::-1]) == catalog.column("title", items[::-1])
    assert [bundle.path(item) for item in items] == [catalog.path(item) for item in items]
    np.testing.assert_array_equal(bundle.item_nodes, catalog.item_nodes)
    np.testing.assert_array_equal(bundle.train_count, catalog.train_count)
    assert bundle.item_nodes.dtype == np.int32
    assert bundle.train_count.dtype == np.int64


@pytest.mark.parametrize("name", CATALOGS)
def test_levels_and_labels_are_the_same(name, tmp_path) -> None:
    catalog = CATALOGS[name]()
    bundle = packed(catalog, tmp_path)

    for ours, theirs in zip(bundle.levels, catalog.levels, strict=True):
        assert (ours.num_known, ours.names, ours.num_nodes) == (theirs.num_known, theirs.names, theirs.num_nodes)
        np.testing.assert_array_equal(ours.parents, theirs.parents)
    assert list(bundle.labels) == list(catalog.labels)
    for task, theirs in catalog.labels.items():
        ours = bundle.labels[task]
        assert ours.names == theirs.names
        np.testing.assert_array_equal(ours.train_count, theirs.train_count)
        assert (ours.of_item is None) == (theirs.of_item is None)
        if ours.of_item is not None:
            np.testing.assert_array_equal(ours.of_item, theirs.of_item)


def test_there_is_no_column_but_the_title(tmp_path) -> None:
    assert packed(toy(walks(50, 0)), tmp_path).column("colour", np.array([1], np.int32)) is None


def test_the_more_popular_of_two_titles_comes_first(tmp_path) -> None:
    catalog = titled(["Old lamp", "Red lamp", "Lamp", "New lamp"], [1, 9, 0, 9])

    assert packed(catalog, tmp_path).find("lamp", 3).tolist() == [3, 2, 4]


def test_items_without_a_title_are_found_by_their_id(tmp_path) -> None:
    assert packed(titled(["Lamp", None], [0, 0]), tmp_path).find("I2", 5).tolist() == [2]
    assert packed(models.catalog(), tmp_path / "numbers").find("i12", 5).tolist() == [12]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_folder_that_is_replaced_or_removed_once_it_is_open_answers_on_as_it_was(tmp_path, replaced) -> None:
    bundle = packed(titled(["Lamp", "Chair", None], [1, 2, 3]), tmp_path)
    shutil.rmtree(tmp_path / "catalog")
    if replaced:
        pack(titled(["Chair", "Lamp", "Lamp"], [1, 2, 3]), tmp_path / "catalog")

    assert bundle.find("lamp", 5).tolist() == [1]
    assert bundle.find("chai", 5).tolist() == [2]
    assert bundle.find("", 5).tolist() == [3, 2, 1]
    assert bundle.column("title", np.array([1, 2, 3], np.int32)) == ["Lamp", "Chair", None]


def test_packing_twice_gives_the_same_bytes(tmp_path) -> None:
    for name in ("first", "second"):
        pack(toy(walks(50, 0)), tmp_path / name)

    first, second = tmp_path / "first", tmp_path / "second"
    files = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert len(files) > 10
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)
