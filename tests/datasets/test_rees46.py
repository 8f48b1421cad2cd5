"""REES46: made-up monthly files in the public layout, against a slow twin."""

import gzip
import random

import pytest

from hiersrec.datasets import rees46
from hiersrec.errors import BadInput
from hiersrec.preparation.pipeline import prepare
from hiersrec.store.dataset import Dataset
from tests.preparation.tables import plain

HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
CODES = ("electronics.smartphone", "electronics.audio.headphone", "apparel.shoes", "")


def months(seed: int = 0) -> dict[str, list[list[str]]]:
    """Rows of two months in the order of time; products change their brand and price, and lack one now and then."""
    chance = random.Random(seed)  # noqa: S311  (test data)
    rows = {"2019-Oct.csv": [], "2019-Nov.csv": []}
    for number in range(300):
        month, day = ("10", 1 + number // 10) if number < 200 else ("11", 1 + (number - 200) // 10)
        product = chance.randrange(1, 15)
        time = f"2019-{month}-{day:02} {number % 10 + 10}:{chance.randrange(60):02}:00 UTC"
        code, brand = CODES[product % 4] if chance.random() < 0.8 else "", chance.choice(["acme", "zeta", ""])
        session = f"0000-{number // 4}" if number != 17 else ""
        price = f"{product}.{chance.randrange(10)}"
        line = [
            time,
            chance.choice(["view", "cart"]),
            str(100_000 + product),
            "2053013",
            code,
            brand,
            price,
            "9",
            session,
        ]
        rows["2019-Oct.csv" if month == "10" else "2019-Nov.csv"].append(line)
    return rows


def write(folder, rows, end=""):
    folder.mkdir()
    for name, lines in rows.items():
        text = "\n".join([HEADER, *map(",".join, lines)]) + "\n"
        with gzip.open(folder / f"{name}{end}", "wt") if end else (folder / name).open("w") as stream:
            stream.write(text)
    return folder


@pytest.mark.parametrize("end", ["", ".gz"])
def test_monthly_files_become_events_and_items(tmp_path, end):
    rows, said = months(), []
    folder = write(tmp_path / "raw", rows, end)

    prepare(rees46.source(folder), tmp_path / "out", rees46.SETTINGS, say=said.append)

    data = Dataset.open(tmp_path / "out")
    sessions, newest = {}, {}
    for time, _, product, _, code, brand, price, _, session in sorted(
        [*rows["2019-Oct.csv"], *rows["2019-Nov.csv"]], key=lambda row: row[0]
    ):
        item = int(product)
        for name, value in (("category_code", code), ("brand", brand), ("price", price)):
            if value:
                newest[item, name] = value
        if session:
            sessions.setdefault(session, []).append((time, item))
    expected = {name: [item for _, item in events] for name, events in sessions.items() if len(events) > 1}
    assert {name: items for part in plain(data).values() for name, items in part} == expected
    cut = "2019-11-03 19"  # the last session ends on November 10
    assert all(sessions[name][-1][0] > cut for name, _ in plain(data)["test"])
    for row in data.catalog.items.to_pylist():
        path = [name for name in (row["category_1"], row["category_2"], row["category_3"]) if name]
        assert ".".join(path) == newest.get((row["item_id"], "category_code"), "")
        assert row["brand"] == newest.get((row["item_id"], "brand"))
        assert row["price"] == float(newest[row["item_id"], "price"])
    assert "prepare: dropped 1 events without a user_session" in said
    assert data.document["statistics"]["event_types"].keys() == {"view", "cart"}
    assert [file["path"] for file in data.document["sources"]] == [f"2019-Nov.csv{end}", f"2019-Oct.csv{end}"]


@pytest.mark.parametrize(("column", "value"), [(0, "yesterday"), (0, ""), (2, "12a"), (0, "2019-13-01 00:00:00 UTC")])
def test_a_broken_row_is_named(tmp_path, column, value):
    rows = months()
    rows["2019-Oct.csv"][4][column] = value

    with pytest.raises(BadInput, match=r"2019-Oct.csv, row 5 .*event_time must be a time such as 2019-10-01"):
        prepare(rees46.source(write(tmp_path / "raw", rows)), tmp_path / "out", rees46.SETTINGS, say=str)


def test_a_file_of_another_layout_is_named(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "items.csv").write_text("a,b\n1,2\n")

    with pytest.raises(BadInput, match=r"items.csv has no column 'event_time'"):
        prepare(rees46.source(tmp_path / "raw"), tmp_path / "out", rees46.SETTINGS, say=str)
