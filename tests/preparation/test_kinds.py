"""The same table gives the same dataset, whatever the kind, the parts and the order of its files."""

import json
import random

import pytest

from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.source import Source, parts
from hiersrec.store.dataset import Dataset
from tests.preparation.tables import LATEST, contents, events, items, made, with_part, write

pytestmark = pytest.mark.slow

RANDOM = with_part(LATEST, "split", method="random", value=0.3, valid="random", key="first_last_item", seed=3)


@pytest.fixture(scope="module")
def from_parquet(tmp_path_factory):
    out = tmp_path_factory.mktemp("kinds") / "out"
    made(out, events(), RANDOM, items())
    return contents(out)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".tsv.gz"])
def test_text_files_give_what_parquet_gives(tmp_path, from_parquet, suffix):
    made(tmp_path / "out", events(), RANDOM, items(), suffix=suffix)

    assert contents(tmp_path / "out") == from_parquet


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_of_parts_gives_what_one_file_gives(tmp_path, from_parquet, suffix):
    rows, listed = events(), items()
    for part in range(3):
        write(tmp_path / "events" / f"part-{part}{suffix}", rows[part * 40 : (part + 1) * 40 if part < 2 else None])
        write(tmp_path / "items" / f"part-{part}{suffix}", listed[part * 4 : (part + 1) * 4])
    (tmp_path / "events" / "_SUCCESS").touch()

    prepare(Source("shop", tmp_path / "events", tmp_path / "items"), tmp_path / "out", RANDOM, say=lambda _: None)

    assert contents(tmp_path / "out") == from_parquet


def test_twice_gives_the_same(tmp_path, from_parquet):
    made(tmp_path / "out", events(), RANDOM, items())

    assert contents(tmp_path / "out") == from_parquet


def test_the_order_of_rows_does_not_matter_where_times_differ(tmp_path, from_parquet):
    rows, listed = events(), items()
    chance = random.Random(1)  # noqa: S311  (test data)
    chance.shuffle(rows)
    chance.shuffle(listed)

    made(tmp_path / "out", rows, RANDOM, listed)

    assert contents(tmp_path / "out") == from_parquet


def test_equal_times_keep_the_order_of_the_file(tmp_path):
    rows = [{"session_id": s, "item_id": item, "timestamp": 5} for s in range(6) for item in (3, 1, 2)]

    data = made(tmp_path / "out", rows)

    assert all(list(data.sessions("train")[index]) == [3, 1, 2] for index in range(len(data.sessions("train"))))


def test_a_position_goes_before_a_time(tmp_path):
    rows = [{"session_id": s, "item_id": 1 + p, "timestamp": 9 - p, "position": p} for s in range(6) for p in range(3)]

    data = made(tmp_path / "out", rows)

    assert list(data.sessions("train")[0]) == [1, 2, 3]
    assert data.document["order"] == "position, ties by row of the file"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_positions_of_csv_are_numbers_not_text(tmp_path, suffix):
    rows = [{"session_id": f"s{s}", "item_id": p + 1, "position": p} for s in range(6) for p in reversed(range(12))]

    data = made(tmp_path / "out", rows, with_part(LATEST, "split", method="random", valid="random"), suffix=suffix)

    assert list(data.sessions("train")[0]) == list(range(1, 13))


@pytest.mark.parametrize(("suffix", "ids"), [(".csv", ["007", "7"]), (".parquet", ["10", "9"])])
def test_ids_stay_as_given(tmp_path, suffix, ids):
    rows = [{"session_id": s, "item_id": item, "timestamp": s} for s in range(6) for item in ids]

    data = made(tmp_path / "out", rows, suffix=suffix)

    assert data.catalog.items["item_id"].to_pylist() == sorted(ids)


def test_ids_that_are_text_in_one_table_are_text_in_both(tmp_path):
    rows = [{"session_id": s, "item_id": item, "timestamp": s} for s in range(6) for item in (7, 8)]
    for events_text, items_text in ((False, True), (True, False)):
        own = [{**row, "item_id": str(row["item_id"]) if events_text else row["item_id"]} for row in rows]
        listed = [{"item_id": str(item) if items_text else item, "category_1": f"c{item}"} for item in (7, 8)]

        data = made(tmp_path / f"out{events_text}", own, item_rows=listed)

        assert data.catalog.items["item_id"].to_pylist() == ["7", "8"]
        assert data.catalog.items["category_1"].to_pylist() == ["c7", "c8"]


def test_ids_that_are_integers_in_every_file_are_integers_whatever_the_kind(tmp_path):
    rows = [{"session_id": s, "item_id": item, "timestamp": s} for s in range(6) for item in (7, 10)]
    source = Source("shop", write(tmp_path / "events.parquet", rows), None, write(tmp_path / "test.csv", rows))

    prepare(source, tmp_path / "out", with_part(LATEST, "split", method=None, value=None), say=lambda _: None)

    assert Dataset.open(tmp_path / "out").catalog.items["item_id"].to_pylist() == [7, 10]


def test_the_key_may_be_the_user_also_in_csv(tmp_path):
    settings = with_part(LATEST, "split", method="random", value=0.3, valid="random", key="user_id")

    for suffix in (".csv", ".parquet"):
        made(tmp_path / suffix[1:], events(), settings, suffix=suffix)

    assert contents(tmp_path / "csv") == contents(tmp_path / "parquet")


def test_a_folder_may_have_any_name(tmp_path):
    data = made(tmp_path / "it's [a] *?", events())

    assert len(data.sessions("test")) > 0


def test_a_given_test_file_is_the_test_split(tmp_path):
    rows = [{"session_id": s, "item_id": s % 3, "position": p} for s in range(10) for p in range(2)]
    tested = [{"session_id": s, "item_id": item, "position": item} for s in range(3) for item in (2, 8, 9)]

    data = made(
        tmp_path / "out", rows, with_part(LATEST, "split", method=None, value=None, valid="random"), None, tested
    )

    assert [list(data.sessions("test")[index]) for index in range(3)] == [[3, -1, -2]] * 3
    assert len(data.sessions("train")) + len(data.sessions("valid")) == 10
    assert data.document["statistics"]["unseen_test_items"] == 2
    assert data.document["statistics"]["unseen_test_events"] == 6


def test_aliases_are_found_and_told(tmp_path):
    renamed = [
        {"SessionId:token": row["session_id"], "ItemId": row["item_id"], "Time:float": row["timestamp"]}
        for row in events()
    ]
    lines: list[str] = []

    data = made(tmp_path / "out", renamed, suffix=".csv", say=lines.append)

    assert data.document["columns"]["events"] == {
        "session_id": "SessionId:token",
        "item_id": "ItemId",
        "timestamp": "Time:float",
    }
    assert "prepare: column 'Time:float' of events.csv is read as timestamp" in lines


def test_the_document_holds_settings_sources_and_counts(tmp_path):
    data = made(tmp_path / "out", events(), with_part(LATEST, "filters", min_item_count=3), items())
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())

    assert document == data.document
    assert document["settings"]["filters"]["min_item_count"] == 3
    assert [file["path"] for file in document["sources"]] == ["events.parquet", "items.parquet"]
    assert all(len(file["sha256"]) == 64 and file["bytes"] > 0 for file in document["sources"])
    read, *rounds = document["filters"]
    assert (read["name"], read["events"], read["sessions"]) == ("read", len(events()), 30)
    assert [counts["name"] for counts in rounds[:2]] == ["min_item_count 3", "min_session_length 2"]
    assert rounds[-1]["events"] == rounds[-3]["events"]  # the last round changes nothing
    assert rounds[-1]["events"] == sum(document["split"][part]["events"] for part in ("train", "valid", "test"))
    assert Dataset.open(tmp_path / "out").document["files"]


def test_parts_come_in_the_order_of_their_names(tmp_path):
    for name in ("b.csv", "a.csv", ".hidden"):
        (tmp_path / name).touch()

    assert [part.name for part in parts(tmp_path)] == ["a.csv", "b.csv"]
