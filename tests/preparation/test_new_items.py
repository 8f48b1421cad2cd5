"""Every kind of metadata through the whole of prepare, and items that come later."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.new_items import encode_new
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.store.dataset import Dataset
from hiersrec.store.statistics import table
from tests.preparation.tables import contents, events, items, write

KINDS = {
    "title": "text",
    "brand": "categorical",
    "price": "numeric",
    "tags": "multi",
    "image": "vector",
    "story": "tfidf",
    "clip": "vector",
}
CLIP = np.random.default_rng(7).normal(size=(12, 3))


def rows():
    """Rows of the items table; item 3 is missing, item 99 stands in no session."""
    result = [row for row in items() if row["item_id"] != 3] + [
        {"item_id": 99, "category_1": "cars", "category_2": "vans", "title": "rare", "brand": "Odd", "price": 1}
    ]
    for row in result:
        item_id = row["item_id"]
        row |= {
            "tags": ["t1", f"u{item_id % 3}"] if item_id % 4 else [],
            "image": [item_id / 2, 1.0] if item_id % 3 else None,
        }
        row["story"] = f"Story of thing {item_id} in {'red' if item_id % 2 else 'blue'}"
    return result


def prepared(folder, **changes):
    metadata = {
        **{"text": ("title",), "categorical": ("brand",), "numeric": ("price",), "text_vectors": ("story",)},
        **{"vectors": ("image", f"clip={folder / 'files' / 'clip.npy'}")},
    }
    files = folder / "files"
    source = Source(
        "shop", write(files / "events.parquet", events(sessions=60)), write(files / "items.parquet", rows())
    )
    np.save(files / "clip.npy", CLIP)
    split = SplitSettings(method="fraction", value=0.25)
    prepare(source, folder / "out", PrepareSettings(split=split, metadata=Metadata(**{**metadata, **changes})), say=str)
    return Dataset.open(folder / "out")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("metadata"))


def test_every_kind_is_there_for_the_right_items(data):
    features = {feature.name: feature for feature in data.catalog.features}
    ids = data.catalog.items["item_id"].to_pylist()
    given = {row["item_id"]: row for row in rows()}

    assert {name: feature.kind for name, feature in features.items()} == KINDS
    assert all(not values[[0, 1 + ids.index(3)]].any() for values in (feature.values for feature in features.values()))
    prices = sorted(given[item_id]["price"] for item_id in ids if item_id != 3)
    for item, item_id in enumerate(ids, start=1):
        if item_id != 3:
            assert features["price"].values[item].tolist() == [prices.index(given[item_id]["price"]) + 1]
            index = [row["item_id"] for row in rows()].index(item_id)
            np.testing.assert_allclose(
                features["clip"].values[item], CLIP[index] / np.linalg.norm(CLIP[index]), rtol=1e-5
            )
            assert features["image"].values[item].any() == (given[item_id]["image"] is not None)
            assert features["tags"].values[item].any() == (given[item_id]["tags"] != [])


def test_nothing_is_learnt_from_items_outside_the_catalogue(data):
    assert "Odd" not in (data.folder / "catalog" / "features" / "brand.json").read_text(encoding="utf-8")


def test_vectors_stay_on_disk_and_out_of_the_display_table(data):
    assert all(isinstance(feature.values, np.memmap) for feature in data.catalog.features)
    assert {"image", "clip"} & set(data.catalog.items.column_names) == set()
    assert {"tags", "title", "price"} <= set(data.catalog.items.column_names)


def test_the_report_says_kind_coverage_and_size(data):
    shown = dict(table(data.document))
    count = data.catalog.num_items

    assert shown["metadata, price"] == f"numeric, {(count - 1) / count:.1%} of items, {count - 1} values"
    assert shown["metadata, clip"] == f"vector, {(count - 1) / count:.1%} of items, vectors of 3 numbers"
    assert shown["metadata, tags"].startswith("multi, ")


def test_the_report_says_what_was_cut(data):
    facts = {"name": "title", "kind": "text", "coverage": 1.0, "vocabulary": 11, "width": 16, "cut": 5}
    document = {**data.document, "statistics": {**data.document["statistics"], "metadata": [facts]}}

    assert dict(table(document))["metadata, title"] == (
        "text, 100.0% of items, 10 values, 5 items cut to their first 16"
    )


def test_files_of_vectors_are_named_without_their_folder(data):
    document = data.document

    assert document["settings"]["metadata"]["vectors"] == ["image", "clip=clip.npy"]
    assert [file["path"] for file in document["sources"]] == ["events.parquet", "items.parquet", "clip.npy"]
    assert str(data.folder.parent) not in (data.folder / "dataset.json").read_text(encoding="utf-8")


def test_twice_gives_the_same(data, tmp_path):
    assert contents(prepared(tmp_path).folder) == contents(data.folder)


def test_the_catalogues_own_items_are_encoded_as_they_were(data):
    listed = pa.Table.from_pylist(rows()).append_column("clip", pa.array(CLIP.tolist()))
    ids = data.catalog.items["item_id"].to_pylist()
    second = encode_new(data.folder / "catalog", listed)

    for feature in data.catalog.features:
        for row, item_id in enumerate(listed["item_id"].to_pylist()):
            if item_id in ids:
                result, first = second[feature.name][row], feature.values[1 + ids.index(item_id)]
                np.testing.assert_allclose(result, first, rtol=1e-6, err_msg=feature.name)
        assert second[feature.name].dtype == feature.values.dtype


def test_unknown_values_and_missing_columns_are_missing(data):
    lines: list[str] = []
    fresh = pa.table({"brand": ["Acme", "Nobody", None], "tags": ["t1|new", "new", ""], "price": ["7", "", "1e9"]})

    result = encode_new(data.folder / "catalog", fresh, lines.append)

    features = {feature.name: feature for feature in data.catalog.features}
    assert result["brand"].tolist() == [[1], [0], [0]]
    assert result["tags"].tolist() == [[1, 0], [0, 0], [0, 0]]
    assert result["price"].tolist() == [[1], [0], [features["price"].vocabulary - 1]]
    for name in ("title", "image", "clip", "story"):
        assert result[name].tolist() == np.zeros((3, features[name].values.shape[1])).tolist()
    assert "add-items: 1 of 3 new items have known metadata 'brand'" in lines
    assert "add-items: 0 of 3 new items have known metadata 'clip': the table has no such column" in lines
    assert len(lines) == len(KINDS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"clip": [[1.0, 2.0]]}, "'clip': vectors of 2 numbers, where the catalogue has 3"),
        ({"price": ["cheap"]}, "'price': 'cheap' of row 1 of the new items is not a number"),
        ({"brand": [["Acme"]]}, "'brand' holds list<"),
    ],
)
def test_new_items_that_do_not_fit_are_refused(data, table, message):
    with pytest.raises(BadInput) as error:
        encode_new(data.folder / "catalog", pa.table(table))

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": ("image", "clip=nowhere.npy")}, "There is no file at nowhere.npy, named by --vectors"),
        ({"numeric": ("brand",), "categorical": ()}, "Metadata column 'brand': 'Zeta' of item '"),
        ({"categorical": ("image",), "vectors": ()}, "a categorical column must hold text, numbers or truth values"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(BadInput) as error:
        prepared(tmp_path, **changes)

    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_file_of_vectors_needs_a_name_of_its_own(tmp_path):
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "image.npy", CLIP)

    with pytest.raises(BadInput, match=r"has a column 'image' already, so vectors of that name can't come from"):
        prepared(tmp_path, vectors=(f"image={tmp_path / 'files' / 'image.npy'}",))


def test_categories_of_pandas_are_values(tmp_path):
    listed = pa.Table.from_pylist(items())
    index = listed.column_names.index("brand")
    listed = listed.set_column(index, "brand", listed["brand"].dictionary_encode())
    pq.write_table(listed, tmp_path / "items.parquet")
    source = Source("shop", write(tmp_path / "events.parquet", events()), tmp_path / "items.parquet")

    prepare(source, tmp_path / "out", PrepareSettings(split=SplitSettings(method="fraction", value=0.25)), say=str)

    assert "brand" in [feature.name for feature in Dataset.open(tmp_path / "out").catalog.features]
