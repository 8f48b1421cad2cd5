"""New items in a catalogue: numbers, nodes, metadata, and everything old as it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec.errors import BadFolder, BadInput
from hiersrec.preparation.extend_catalog import _nodes, extend_catalog
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.store.catalog import Catalog
from tests.preparation.tables import LATEST, Rows, events, items, made, with_part, write
from tests.toy import catalog as toy_catalog


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "out"
    made(folder, events(sessions=60), with_part(LATEST, "metadata", text=("title",), numeric=("price",)), items())
    return folder / "catalog"


def row(item: Any, top: str | None = None, low: str | None = None, **others: Any) -> dict[str, Any]:
    empty = {"title": None, "brand": None, "price": None}
    return {"item_id": item, "category_1": top, "category_2": low, **empty, **others}


def grown(old: Path, folder: Path, rows: Rows) -> tuple[Catalog, list[str]]:
    lines: list[str] = []
    extend_catalog(old, write(folder / "new.csv", rows), folder / "larger", lines.append)
    return Catalog.open(folder / "larger"), lines


def test_new_items_come_after_the_old_ones_in_the_order_of_their_ids(old, tmp_path) -> None:
    before = Catalog.open(old)
    after, lines = grown(old, tmp_path, [row(300), row(7), row(90, title="T", price=5), row(1000)])

    n = before.num_items
    assert after.items["item_id"].to_pylist()[n:] == [90, 300, 1000]
    assert after.items["item"].to_pylist() == list(range(1, n + 4))
    assert after.items.slice(0, n).equals(before.items)
    assert after.train_count[n + 1 :].tolist() == [0, 0, 0]
    assert after.column("title", np.array([n + 1, n + 2], np.int32)) == ["T", None]
    assert after.column("price", np.array([n + 1], np.int32)) == [5]
    assert "add-items: 3 new items; 1 rows are of known items, and skipped" in lines


def test_numbers_with_zeros_before_them_are_numbers_as_before(old, tmp_path) -> None:
    after, _ = grown(old, tmp_path, [row(90, price="05"), row(91, price="010")])

    first = Catalog.open(old).num_items + 1
    assert after.column("price", np.array([first, first + 1], np.int32)) == [5, 10]
    [price] = [feature for feature in after.features if feature.name == "price"]
    assert price.values[first:].all()


def test_known_paths_lead_to_known_nodes_and_the_rest_to_unknown_ones(old, tmp_path) -> None:
    before = Catalog.open(old)
    rows = [
        row(90, "garden", "seeds"),
        row(91, "garden"),  # has an unknown node already
        row(92, "garden", "forks"),  # a name that nobody knows
        row(93, "books", "novellas"),  # under a parent that has no unknown node yet
        row(94, "cars", "maps"),  # "maps" under another parent is another category
        row(95),
        row(96, "books", "nothing"),
    ]
    after, lines = grown(old, tmp_path, rows)
    first = before.num_items + 1

    assert after.path(first) == ["garden", "seeds"]
    assert [after.path(first + index) for index in range(1, 7)] == [
        *(["garden", None], ["garden", None], ["books", None]),
        *([None, None], [None, None], ["books", None]),
    ]
    known = before.to_internal([next(item["item_id"] for item in items() if item["category_2"] == "seeds")])
    assert after.item_nodes[first].tolist() == before.item_nodes[known[0]].tolist()
    top, low = after.levels
    assert top.num_nodes == before.levels[0].num_nodes, "the root has an unknown node already"
    assert low.num_nodes == before.levels[1].num_nodes + 1
    assert [low.num_known, low.names[-1], top.names[low.parents[-1]]] == [before.levels[1].num_known, None, "books"]
    assert after.item_nodes[first + 3, 1] == after.item_nodes[first + 6, 1] == low.num_nodes
    assert after.items["category_2"].to_pylist()[first - 1 :] == ["seeds", *[None] * 6]
    assert "add-items: 5 of 7 new items have a known category of level 1" in lines
    assert "add-items: 1 of 7 new items have a known category of level 2" in lines


NAMES = st.sampled_from(["Food", "Tools", "Apples", "Bread", "Hammers", "Nails", None])


@given(st.lists(st.lists(NAMES, max_size=3).map(tuple), min_size=1, max_size=12))
def test_every_node_is_a_child_of_the_node_above_and_bears_the_name_of_the_path_or_none(paths) -> None:
    catalog = toy_catalog([])
    nodes, added = _nodes(catalog, paths)

    names = [list(level.names) for level in catalog.levels]
    parents = [level.parents.tolist() for level in catalog.levels]
    for node_row in added.to_pylist():
        assert node_row["node"] == len(names[node_row["level"] - 1]), "numbered after all others of the level"
        names[node_row["level"] - 1].append(node_row["name"])
        parents[node_row["level"] - 1].append(node_row["parent"])
    for path, result in zip(paths, nodes.tolist(), strict=True):
        above = 0
        for level, node in enumerate(result):
            expected = path[level] if level < len(path) else None
            assert parents[level][node] == above
            siblings = [names[level][index] for index in range(1, len(names[level])) if parents[level][index] == above]
            assert names[level][node] == (expected if expected in siblings else None)
            assert siblings.count(None) <= 1
            above = node


def test_metadata_are_encoded_as_they_were_and_old_rows_stay(old, tmp_path) -> None:
    before = Catalog.open(old)
    twin = next(item for item in items() if item["item_id"] == 7)
    rows = [{**twin, "item_id": 90}, row(91, title="Thing of gold", brand="Nobody", price=10_000)]
    after, lines = grown(old, tmp_path, rows)

    seven, first = int(before.to_internal([7])[0]), before.num_items + 1
    assert {feature.name for feature in after.features} == {"title", "brand", "price"}
    for was, now in zip(before.features, after.features, strict=True):
        assert (was.name, was.kind, was.vocabulary) == (now.name, now.kind, now.vocabulary)
        assert np.array_equal(now.values[:first], was.values)
        assert now.values.shape == (first + 2, was.values.shape[1])
        assert np.array_equal(now.values[first], was.values[seven])
        assert now.values[first + 1].max() < now.vocabulary
    brand = next(feature for feature in after.features if feature.name == "brand")
    assert brand.values[first + 1, 0] == 0, "a brand that no old item has"
    assert any("metadata 'brand'" in line for line in lines)


def test_columns_that_the_new_table_lacks_are_missing_and_others_are_left_out(old, tmp_path) -> None:
    after, _ = grown(old, tmp_path, [{"item_id": 90, "category_1": "books", "category_2": "maps", "size": "L"}])

    new = after.num_items
    assert after.path(new) == ["books", "maps"]
    assert all(not feature.values[new].any() for feature in after.features)
    assert after.column("title", np.array([new], np.int32)) == [None]
    assert "size" not in after.items.column_names


def test_names_that_are_all_unknown_are_told_with_one_that_is_known(old, tmp_path) -> None:
    _, lines = grown(old, tmp_path, [row(90, "BOOKS", "Maps"), row(91, "Garden")])

    names = [level.names[1] for level in Catalog.open(old).levels]
    assert (
        f"add-items: 0 of 2 new items have a known category of level 1; the tree has names such as '{names[0]}'"
        in lines
    )
    assert (
        f"add-items: 0 of 2 new items have a known category of level 2; the tree has names such as '{names[1]}'"
        in lines
    )


def test_nothing_else_of_the_folder_changes(old, tmp_path) -> None:
    grown(old, tmp_path, [row(90)])

    changed = {"items.parquet", "categories.parquet"}
    for path in (file for file in old.rglob("*") if file.is_file()):
        name = path.relative_to(old).as_posix()
        is_array = name in {f"features/{column}.npy" for column in ("title", "brand", "price")}
        assert (tmp_path / "larger" / name).is_file()
        if name not in changed and not is_array:
            assert (tmp_path / "larger" / name).read_bytes() == path.read_bytes()


def test_the_table_is_read_as_the_first_one_was(tmp_path) -> None:
    """Options of prepare come with the catalogue: the id's column, the path's column and its separator."""
    listed = [{"sku": item["item_id"], "shelf": f"{item['category_1']} > {item['category_2']}"} for item in items()]
    columns = with_part(LATEST, "columns", item_id="item_id", category_path="shelf", category_separator=">")
    renamed = [{**item, "item_id": item["sku"]} for item in listed]
    made(tmp_path / "out", events(sessions=60), columns, renamed)

    new = [{"item_id": 90, "shelf": "garden > seeds", "sku": 90}, {"item_id": 91, "shelf": "garden", "sku": 1}]
    after, _ = grown(tmp_path / "out" / "catalog", tmp_path, new)

    assert json.loads((tmp_path / "larger" / "columns.json").read_text(encoding="utf-8"))["category_separator"] == ">"
    assert after.path(after.num_items - 1) == ["garden", "seeds"]
    assert after.path(after.num_items) == ["garden", None]


def test_a_catalogue_that_has_grown_grows_again(old, tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    grown(old, tmp_path / "a", [row(91, "books", "novellas")])
    twice, _ = grown(tmp_path / "a" / "larger", tmp_path / "b", [row(90, "books", "sagas"), row(91)])

    assert twice.items["item_id"].to_pylist()[-2:] == [91, 90]
    assert twice.item_nodes[-1].tolist() == twice.item_nodes[-2].tolist(), "one unknown node of a parent is enough"


def test_text_ids_stay_text(tmp_path) -> None:
    named = [{**item, "item_id": f"i{item['item_id']}"} for item in items()]
    sold = [{**event, "item_id": f"i{event['item_id']}"} for event in events(sessions=60)]
    made(tmp_path / "out", sold, LATEST, named)

    after, _ = grown(tmp_path / "out" / "catalog", tmp_path, [row(90)])

    assert after.items["item_id"].to_pylist()[-1] == "90"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(7), row(8)], r"new\.csv holds no new item: the catalogue has all 2 of them"),
        ([row("17"), row("x7")], r"new\.csv has ids such as 'x7', but the ids of the catalogue are integers"),
        ([row(90), row(90)], r"new\.csv, row 2 \(line 3\): item '90' has a row already"),
        (
            [row(90, price="cheap")],
            r"'price' of the new items has type string, in the catalogue it has int64: .* it had",
        ),
        ([{"sku": 90}], r"new\.csv has no column for item_id"),
    ],
)
def test_tables_that_do_not_fit(old, tmp_path, rows, message) -> None:
    with pytest.raises(BadInput, match=message):
        grown(old, tmp_path, rows)
    assert not (tmp_path / "larger").exists()


def test_a_catalogue_that_does_not_say_how_it_was_read(tmp_path) -> None:
    made(tmp_path / "out", events(), LATEST, items())
    folder = tmp_path / "out" / "catalog"
    (folder / "columns.json").unlink()

    with pytest.raises(BadFolder, match=r"has no columns\.json, .* Prepare the dataset and train again"):
        grown(folder, tmp_path, [row(90)])


def test_items_without_categories_and_metadata(tmp_path) -> None:
    made(tmp_path / "out", events(sessions=60), PrepareSettings(split=LATEST.split))

    after, _ = grown(tmp_path / "out" / "catalog", tmp_path, [{"item_id": 90}])

    assert after.levels == []
    assert after.features == []
    assert pq.read_table(tmp_path / "larger" / "items.parquet")["item_id"].to_pylist()[-1] == 90


def test_a_later_file_may_hold_other_numbers_than_the_first(old, tmp_path) -> None:
    """A CSV file has no types: the first price that is not whole, and brands that look like numbers."""
    after, _ = grown(old, tmp_path, [row(90, price=9.5, brand="1.50"), row(91, price=3, brand="07")])
    n = after.num_items

    assert after.column("price", np.array([1, n - 1, n], np.int32))[1:] == [9.5, 3.0]
    assert after.column("brand", np.array([n - 1, n], np.int32)) == ["1.50", "07"]


def test_items_of_which_nothing_is_known_are_told(old, tmp_path) -> None:
    _, lines = grown(old, tmp_path, [row(90), row(91, title="no thing"), row(92, "garden"), row(93, "cars")])

    assert any("2 new items have neither a known category nor known metadata" in line for line in lines)


def test_vectors_come_from_a_file_as_they_did_in_prepare_and_lists_fill_a_column_of_text(tmp_path) -> None:
    listed = [{**item, "tags": "red|big" if item["item_id"] % 2 else "blue"} for item in items()]
    np.save(tmp_path / "image.npy", np.random.default_rng(0).normal(size=(len(listed), 4)))
    metadata = with_part(LATEST, "metadata", vectors=(f"image={tmp_path / 'image.npy'}",), multi=("tags",))
    before = made(tmp_path / "out", events(sessions=60), metadata, listed, suffix=".csv").catalog
    rows = [{**row(90), "tags": ["blue", "big"]}, {**row(91), "tags": None}]
    np.save(tmp_path / "new.npy", np.array([[0, 3, 0, 4], [0, 0, 0, 0]]))
    new = write(tmp_path / "new.parquet", rows)

    extend_catalog(
        tmp_path / "out" / "catalog", new, tmp_path / "larger", lambda _: None, (f"image={tmp_path / 'new.npy'}",)
    )

    after = Catalog.open(tmp_path / "larger")
    features = {feature.name: feature.values for feature in after.features}
    n = before.num_items
    np.testing.assert_allclose(features["image"][n + 1 :], [[0, 0.6, 0, 0.8], [0, 0, 0, 0]], rtol=1e-6)
    assert (features["tags"][n + 1] > 0).sum() == 2
    assert after.column("tags", np.array([n + 1, n + 2], np.int32)) == ["blue|big", None]
