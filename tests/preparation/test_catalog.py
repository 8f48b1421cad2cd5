"""The catalogue folder, opened again by the store."""

from collections import Counter

import numpy as np
import pytest

import hiersrec
from hiersrec.errors import BadInput
from hiersrec.store.sessions import Prefixes
from hiersrec.store.statistics import table
from tests.preparation.tables import LATEST, events, items, made, plain, with_part, write


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    # Item 12 is missing from the items table, item 99 from the events.
    listed = [row for row in items() if row["item_id"] != 12]
    listed.append({"item_id": 99, "category_1": "cars", "category_2": "vans", "title": "t", "brand": None, "price": 1})
    rows = [*events(sessions=60), *({"session_id": 501, "item_id": 12, "timestamp": 1.0 + index} for index in range(2))]
    return made(
        tmp_path_factory.mktemp("catalog") / "out", rows, with_part(LATEST, "metadata", text=("title",)), listed
    )


def test_items_are_numbered_by_their_ids(data):
    ids = data.catalog.items["item_id"].to_pylist()

    assert ids == sorted(ids)
    assert data.catalog.items["item"].to_pylist() == list(range(1, len(ids) + 1))


def test_counts_are_of_training_sessions_only(data):
    seen = Counter(item for _, session in plain(data)["train"] for item in session)

    assert data.catalog.items["train_count"].to_pylist() == [
        seen[item_id] for item_id in data.catalog.items["item_id"].to_pylist()
    ]


def test_metadata_follow_their_items(data):
    given = {row["item_id"]: row for row in items()}
    for row in data.catalog.items.to_pylist():
        for name in ("category_1", "category_2", "title", "brand", "price"):
            assert row[name] == (None if row["item_id"] == 12 else given[row["item_id"]][name])


def test_an_item_without_a_row_has_unknown_categories(data):
    item = int(data.catalog.to_internal([12])[0])

    assert data.catalog.path(item) == [None, None]
    assert all(
        data.catalog.item_nodes[item, index] > level.num_known for index, level in enumerate(data.catalog.levels)
    )
    assert data.document["statistics"]["items_without_metadata"] == 1


def test_categories_of_absent_items_are_not_there(data):
    assert "cars" not in data.catalog.levels[0].names
    assert data.document["statistics"]["categories"] == [level.num_known for level in data.catalog.levels] == [2, 4]


def test_coverage_is_the_share_of_items_with_a_known_category(data):
    nodes = data.catalog.item_nodes[1:]
    known = [(nodes[:, index] <= level.num_known).mean() for index, level in enumerate(data.catalog.levels)]

    assert data.document["statistics"]["category_coverage"] == known
    assert 0 < known[1] < known[0] < 1


def test_features_are_in_the_order_of_the_columns(data):
    assert [(feature.name, feature.kind) for feature in data.catalog.features] == [
        ("title", "text"),
        ("brand", "categorical"),
    ]
    title, brand = data.catalog.features
    assert title.values.shape[0] == brand.values.shape[0] == data.catalog.num_items + 1
    assert title.values.max() < title.vocabulary
    assert title.coverage == (data.catalog.num_items - 1) / data.catalog.num_items


def test_statistics_are_those_of_the_arrays(data):
    statistics, parts = data.document["statistics"], {name: data.sessions(name) for name in ("train", "valid", "test")}
    both = [parts["train"], parts["valid"]]

    assert statistics["training_sessions"] == sum(map(len, both))
    assert statistics["validation_sessions"] == len(parts["valid"])
    assert statistics["training_prefixes"] == sum(len(Prefixes.every(sessions)) for sessions in both)
    assert statistics["test_prefixes"] == len(Prefixes.every(parts["test"]))
    assert statistics["interactions"] == sum(len(sessions.items) for sessions in parts.values())
    assert statistics["mean_session_length"] == statistics["interactions"] / sum(map(len, parts.values()))
    assert statistics["unseen_test_events"] == int((np.asarray(parts["test"].items) < 0).sum())


def test_the_printed_table_says_it_all(data):
    rows = dict(table(data.document))

    assert rows["test sessions"] == f"{len(data.sessions('test')):,}"
    coverage = data.document["statistics"]["category_coverage"][1]
    assert rows["categories, level 2"] == f"4, known for {coverage:.1%} of items"
    assert rows["metadata, brand"].startswith("categorical, ")
    assert rows["items not in the items table"] == "1"
    assert " events, " in rows["filter min_session_length 2, round 1"]


def test_a_shop_without_an_items_table(tmp_path):
    catalog = made(tmp_path / "out", events()).catalog

    assert (catalog.levels, catalog.features, catalog.item_nodes.shape[1]) == ([], [], 0)


def shop_with(tmp_path, rows, **options):
    tmp_path.mkdir(exist_ok=True)
    path = write(tmp_path / "items.csv", rows)
    options = {"split": "fraction:0.25", "progress": False, **options}
    return hiersrec.prepare(write(tmp_path / "events.csv", events()), path, out=tmp_path / "data", **options)


def test_digits_that_a_number_would_not_give_back_stay_text(tmp_path):
    codes = {"code": "007", "long": "9" * 19, "plain": "12", "share": "0.5"}
    rows = [{**row, **codes, "number": "05"} for row in items()]

    catalog = shop_with(tmp_path, rows, numeric="number").catalog.items

    assert [catalog[name][0].as_py() for name in codes] == ["007", "9" * 19, 12, 0.5]


def test_whole_numbers_of_pandas_are_categories_in_csv_as_elsewhere(tmp_path):
    tops = ["3.0", "7.0", "NaN", ""]
    rows = [{**row, "category_1": tops[row["item_id"] % 4], "category_2": f"{row['item_id']}.5"} for row in items()]

    levels = shop_with(tmp_path, rows).catalog.levels

    assert {*levels[0].names} == {None, "3", "7"}
    assert all(name is None or name.endswith(".5") for name in levels[1].names)


@pytest.mark.parametrize("name", ["Title", "title:token_seq"])
def test_a_title_in_other_letters_is_the_title(tmp_path, name):
    rows = [{name: f"Thing {row['item_id']}", **{key: row[key] for key in row if key != "title"}} for row in items()]

    catalog = shop_with(tmp_path, rows).catalog.items

    assert set(catalog["title"].to_pylist()) <= {f"Thing {number}" for number in range(1, 13)}
    assert name not in catalog.column_names


def test_names_of_nodes_are_ours(tmp_path):
    catalog = shop_with(tmp_path, [{**row, "node_id": f"n{row['item_id'] % 2}"} for row in items()]).catalog
    assert len(catalog.levels) == 2
    assert catalog.item_nodes.shape == (catalog.num_items + 1, 2)

    with pytest.raises(BadInput, match="The items table has a column 'node_7', a name that hiersrec uses itself"):
        shop_with(tmp_path / "no", [{**row, "node_7": "x"} for row in items()])
