"""Contract of all dataset modules, and the readers that have no file of their own."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hiersrec.datasets import instacart, jdata, retailrocket
from hiersrec.datasets._facts import Facts
from hiersrec.errors import BadInput
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.registry import load, names
from hiersrec.store.dataset import Dataset

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
LEVELS = {"instacart": [21, 134], "jdata": [78], "retailrocket": [232, 757]}


@pytest.mark.parametrize("name", names("datasets"))
def test_every_dataset_says_what_it_is(name):
    module = load("datasets", name)

    assert isinstance(module.SOURCE, Facts)
    made_up = {"otto", "rees46"}  # files of the layout are made up in tests, so no counts can be met
    required = {field.name for field in fields(Facts)} - ({"expected"} if name in made_up else set())
    assert all(getattr(module.SOURCE, field) for field in required)
    assert isinstance(module.SETTINGS, PrepareSettings)
    assert module.SOURCE.url in module.__doc__ or "Source:" in module.__doc__


@pytest.mark.parametrize("name", sorted(set(names("datasets")) - {"wikispeedia"}))
def test_a_dataset_that_is_not_shipped_says_where_to_get_it(name):
    module = load("datasets", name)

    with pytest.raises(BadInput) as error:
        module.source(None)

    assert module.SOURCE.url in str(error.value)


@pytest.mark.parametrize("name", sorted(LEVELS))
def test_the_shared_tables_give_their_numbers(tmp_path, name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"the tables of {name} are not beside the repository (../shared/data/{name})")
    module = load("datasets", name)

    document = prepare(module.source(SHARED / name), tmp_path / "out", module.SETTINGS, say=lambda _: None)

    assert {key: document["statistics"][key] for key in module.SOURCE.expected} == module.SOURCE.expected
    assert document["statistics"]["categories"] == LEVELS[name]


def test_instacart_from_the_raw_files(tmp_path):
    raw = {
        "order_products__train.csv": "order_id,product_id,add_to_cart_order,reordered\n"
        + "".join(f"{order},{11 + position},{9 - position},0\n" for order in range(20) for position in range(3)),
        "products.csv": "product_id,product_name,aisle_id,department_id\n"
        '11,"Milk, whole",1,1\n12,Gouda,2,1\n13,Plain Milk,1,1\n14,Never sold,1,1\n',
        "aisles.csv": "aisle_id,aisle\n1,milk\n2,cheese\n",
        "departments.csv": "department_id,department\n1,dairy eggs\n",
    }
    for name, content in raw.items():
        (tmp_path / name).write_text(content)

    prepare(instacart.source(tmp_path), tmp_path / "out", instacart.SETTINGS, say=lambda _: None)

    data = Dataset.open(tmp_path / "out")
    assert list(data.sessions("test")[0]) == [3, 2, 1]
    assert data.catalog.items["title"].to_pylist() == ["Milk, whole", "Gouda", "Plain Milk"]
    assert [data.catalog.path(item) for item in (1, 2)] == [["dairy eggs", "milk"], ["dairy eggs", "cheese"]]


def test_a_raw_file_without_its_columns_is_named(tmp_path):
    for name in instacart.RAW:
        (tmp_path / name).write_text("a,b\n1,2\n")

    with pytest.raises(BadInput, match=r"order_products__train.csv has no column 'order_id'"):
        prepare(instacart.source(tmp_path), tmp_path / "out", instacart.SETTINGS, say=lambda _: None)


def test_jdata_needs_both_tables(tmp_path):
    (tmp_path / "event.parquet").touch()

    with pytest.raises(BadInput, match=r"there is no events.parquet. Did you mean 'event.parquet'"):
        jdata.source(tmp_path)


def test_retailrocket_keeps_its_split_and_its_items_without_a_category(tmp_path):
    folder = SHARED / "retailrocket"
    if not folder.is_dir():
        pytest.skip("the tables of retailrocket are not beside the repository (../shared/data/retailrocket)")

    prepare(retailrocket.source(folder), tmp_path / "out", retailrocket.SETTINGS, say=lambda _: None)

    data = Dataset.open(tmp_path / "out")
    assert data.document["statistics"]["category_coverage"] == [22_621 / 25_280] * 2
    test = pq.read_table(folder / "test.parquet").sort_by([("session_id", "ascending"), ("position", "ascending")])
    known = data.catalog.to_external(np.asarray(data.sessions("test").items))
    assert np.array_equal(known, test["item_id"].to_numpy())
    repeated = sum(item in items[:step] for items in sessions_of(test).values() for step, item in enumerate(items))
    assert repeated == 3_006


def sessions_of(table):
    sessions = {}
    for session, item in zip(table["session_id"].to_pylist(), table["item_id"].to_pylist(), strict=True):
        sessions.setdefault(session, []).append(item)
    return sessions
