"""Diginetica: the prepared tables, and the raw files against a slow twin of the published preprocessing."""

import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hiersrec.datasets import diginetica
from hiersrec.errors import BadInput
from hiersrec.preparation.pipeline import prepare
from hiersrec.store.dataset import Dataset
from hiersrec.store.sessions import Prefixes

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "diginetica"


def test_the_prepared_tables_give_the_published_numbers(tmp_path):
    if not SHARED.is_dir():
        pytest.skip("the Diginetica tables are not beside the repository (../shared/data/diginetica)")
    prepare(diginetica.source(SHARED), tmp_path / "out", diginetica.SETTINGS, say=lambda _: None)

    data = Dataset.open(tmp_path / "out")
    statistics = data.document["statistics"]
    assert {name: statistics[name] for name in diginetica.SOURCE.expected} == diginetica.SOURCE.expected
    assert statistics["categories"] == [995]
    assert statistics["unseen_test_events"] == 0
    assert len(Prefixes.every(data.sessions("test"))) == 60_858
    assert len(data.sessions("train")) + len(data.sessions("valid")) == 186_670
    assert len(data.sessions("valid")) == 18_667
    test = pq.read_table(SHARED / "test.parquet").sort_by([("session_id", "ascending"), ("position", "ascending")])
    known = np.asarray(data.catalog.to_external(np.asarray(data.sessions("test").items)))
    assert np.array_equal(known, test["item_id"].to_numpy())


def raw_views(seed: int = 0) -> list[tuple[int, int, int, str]]:
    """Session, item, timeframe, day; rows of a session stand together but not in the order of time."""
    chance = random.Random(seed)  # noqa: S311  (test data)
    rows = []
    for session in range(120):
        day = date(2016, 5, 1) + timedelta(days=chance.randrange(20))
        for _ in range(chance.randrange(1, 6)):
            late = timedelta(days=chance.random() < 0.1)
            rows.append((session, chance.randrange(40), chance.randrange(5) * 1000, str(day + late)))
    return rows


def write_raw(
    folder: Path, rows: list[tuple[int, int, int, str]], header: str = "sessionId;userId;itemId;timeframe;eventdate"
):
    folder.mkdir()
    lines = [header, *(f"{session};NA;{item};{time};{day}" for session, item, time, day in rows)]
    (folder / "train-item-views.csv").write_text("\n".join(lines) + "\n")
    categories = "".join(f"{item};{item % 7}\n" for item in range(50))
    (folder / "product-categories.csv").write_text("itemId;categoryId\n" + categories)
    products = "".join(f"{item};{item % 12};{item},{item % 5}\n" for item in range(50))
    (folder / "products.csv").write_text("itemId;pricelog2;product.name.tokens\n" + products)
    return folder


def published(rows):
    """The published preprocessing, step by step: session -> items of training and of test."""
    clicks, days = {}, {}
    for session, item, time, day in rows:
        clicks.setdefault(session, []).append((time, item))
        days[session] = date.fromisoformat(day)
    clicks = {name: [item for _, item in sorted(items, key=lambda click: click[0])] for name, items in clicks.items()}
    clicks = {name: items for name, items in clicks.items() if len(items) > 1}
    counts = Counter(item for items in clicks.values() for item in items)
    clicks = {name: [item for item in items if counts[item] >= 5] for name, items in clicks.items()}
    clicks = {name: items for name, items in clicks.items() if len(items) > 1}
    cut = max(days[name] for name in clicks) - timedelta(days=7)
    train = {name: items for name, items in clicks.items() if days[name] < cut}
    known = {item for items in train.values() for item in items}
    test = {name: [item for item in items if item in known] for name, items in clicks.items() if days[name] > cut}
    return train, {name: items for name, items in test.items() if len(items) > 1}, [n for n in clicks if days[n] == cut]


@pytest.mark.parametrize("seed", range(2))
def test_the_raw_files_are_split_as_published(tmp_path, seed):
    rows = raw_views(seed)
    train, test, neither = published(rows)
    assert neither

    prepare(
        diginetica.source(write_raw(tmp_path / "raw", rows)), tmp_path / "out", diginetica.SETTINGS, say=lambda _: None
    )

    data, result = Dataset.open(tmp_path / "out"), {}
    for split in ("train", "valid", "test"):
        sessions = data.sessions(split)
        names = sessions.session_ids.to_pylist()
        result[split] = {
            name: data.catalog.to_external(np.asarray(sessions[index])) for index, name in enumerate(names)
        }
    assert result["train"] | result["valid"] == train
    assert result["test"] == test
    assert data.catalog.column("category_1", np.array([1], np.int32)) == [
        str(data.catalog.items["item_id"][0].as_py() % 7)
    ]
    assert [file["path"] for file in data.document["sources"]] == list(diginetica.RAW)


def test_the_other_header_of_the_raw_views_is_read_too(tmp_path):
    folder = write_raw(tmp_path / "raw", raw_views(), "session_id;user_id;item_id;timeframe;eventdate")

    prepare(diginetica.source(folder), tmp_path / "out", diginetica.SETTINGS, say=lambda _: None)

    assert (tmp_path / "out" / "dataset.json").is_file()


def test_a_raw_row_that_is_broken_is_named(tmp_path):
    rows = [*raw_views()[:10], (1, 2, 3, "May 9th")]

    with pytest.raises(BadInput, match=r"train-item-views.csv, row 11 \(line 12\)"):
        prepare(diginetica.source(write_raw(tmp_path / "raw", rows)), tmp_path / "out", diginetica.SETTINGS, say=print)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"is not part of hiersrec .* give their folder as EVENTS"):
        diginetica.source(None)
    with pytest.raises(BadInput, match=r"there is no train.parquet"):
        diginetica.source(tmp_path)
    folder = write_raw(tmp_path / "raw", raw_views())
    (folder / "products.csv").unlink()
    with pytest.raises(BadInput, match=r"there is no products.csv"):
        diginetica.source(folder)
