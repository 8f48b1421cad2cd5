"""Sessions of every layout and kind of file, compared with a slow twin; what breaks a rule is named."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.batch import blocks
from hiersrec.batch.blocks import block_file, facts_of, sessions_of
from hiersrec.batch.sessions import write_sessions
from hiersrec.errors import BadInput
from hiersrec.preparation.settings import Columns, PrepareSettings, SessionRules


def silent(_: str) -> None:
    """Tell nobody."""


def read(path: Path, tmp_path: Path, settings: PrepareSettings | None = None) -> list[tuple[object, list]]:
    """Names and items of the sessions of a file, in order."""
    folder = tmp_path / "sessions"
    facts = write_sessions(path, settings or PrepareSettings(), folder, "duckdb", silent)
    assert facts == facts_of(folder)
    tables = [pq.read_table(block_file(folder, number)) for number in range(facts.blocks)]
    assert [len(table) for table in tables] == [facts.size(number) for number in range(facts.blocks)]
    sessions = [(row["session_id"], row["items"]) for table in tables for row in table.to_pylist()]
    assert (facts.sessions, facts.events) == (len(sessions), sum(len(items) for _, items in sessions))
    if facts.numbers:
        return [(int(name), items) for name, items in sessions]
    assert all(isinstance(name, str) for name, _ in sessions)
    return sessions


def twin(events: list[dict], order: str) -> list[tuple[object, list]]:
    """The sessions of events, in the order of their first rows."""
    names = list(dict.fromkeys(event["session_id"] for event in events))
    return [
        (name, [e["item_id"] for e in sorted((e for e in events if e["session_id"] == name), key=lambda e: e[order])])
        for name in names
    ]


def write_events(path: Path, events: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(events), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    else:
        names = list(events[0])
        path.write_text(
            "\n".join([";".join(names), *(";".join(str(e[name]) for name in names) for e in events)]) + "\n"
        )
    return path


@pytest.mark.parametrize("end", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize("numbers", [True, False])
def test_events_in_any_order_of_rows(tmp_path, monkeypatch, end, numbers) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 4)
    chance = random.Random(end)  # noqa: S311 - test data
    events = [
        {
            "session_id": n if numbers else f"s {n}",
            "item_id": chance.randrange(50) if numbers else f"i{chance.randrange(50)}",
            "timestamp": 1_600_000_000 + 10 * chance.randrange(30),  # many ties, which stay in the order of rows
        }
        for n in chance.choices(range(19), k=150)
    ]

    assert read(write_events(tmp_path / f"events.{end}", events), tmp_path) == twin(events, "timestamp")


def test_a_folder_of_parts_columns_of_other_names_and_positions(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.csv").write_text("visit,sku,pos\nb,x,2\na,y,1\n")
    (tmp_path / "in/2.csv").write_text("visit,sku,pos\nb,z,1\n")
    settings = PrepareSettings(columns=Columns(session_id="visit", item_id="sku"))

    assert read(tmp_path / "in", tmp_path, settings) == [("b", ["z", "x"]), ("a", ["y"])]


def test_without_session_ids_a_pause_of_the_user_cuts(tmp_path) -> None:
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,timestamp\n7,a,1600000500\n7,b,1600000000\n8,c,1600000000\n7,d,1600000510\n"
    )
    settings = PrepareSettings(sessions=SessionRules(gap_seconds=60))

    assert read(tmp_path / "e.csv", tmp_path, settings) == [("7-2", ["a", "d"]), ("7-1", ["b"]), ("8-1", ["c"])]


LISTS = {
    "l.csv": "session_id,items\nx,a|b\ny,\nx,c\n",
    "l.jsonl": '{"session_id": "x", "items": ["a", "b"]}\n{"session_id": "y"}\n\n{"session_id": "x", "items": ["c"]}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_a_row_per_session_in_text(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    (tmp_path / name).write_text(LISTS[name])

    assert read(tmp_path / name, tmp_path) == [("x", ["a", "b"]), ("y", []), ("x", ["c"])]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (pa.array([[1, 2], None, []]), [[1, 2], [], []]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)), [[1, 2], [3, 4]]),
        (pa.array([["a"], ["b", "a"]], pa.large_list(pa.large_string())), [["a"], ["b", "a"]]),
        (pa.array([[], None]), [[], []]),
    ],
)
def test_lists_of_parquet_without_session_ids_are_numbered(tmp_path, lists, expected) -> None:
    pq.write_table(pa.table({"items": lists}), tmp_path / "l.parquet")

    assert read(tmp_path / "l.parquet", tmp_path) == list(enumerate(expected))


def test_numbers_and_texts_in_the_lists_of_json(tmp_path) -> None:
    lines = ['{"session_id": 5, "items": [1, "b", 12345678901234567890]}', '{"session_id": 6, "items": []}']
    (tmp_path / "l.jsonl").write_text("\n".join(lines))
    assert read(tmp_path / "l.jsonl", tmp_path) == [(5, ["1", "b", "12345678901234567890"]), (6, [])]

    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.jsonl").write_text('{"session_id": 5, "items": [1]}')
    (tmp_path / "in/2.jsonl").write_text('{"session_id": "b", "items": ["c"]}')
    assert read(tmp_path / "in", tmp_path) == [("5", ["1"]), ("b", ["c"])]

    (tmp_path / "m.csv").write_text("session_id,items\n5,1\n007,2\n")
    assert read(tmp_path / "m.csv", tmp_path) == [("5", ["1"]), ("007", ["2"])], "007 is no number"


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_sessions_are_whole_however_many_events_are_read_at_a_time(tmp_path, rows) -> None:
    ids = [3, 3, 3, 1, 2, 2, 2, 2, 9]
    pq.write_table(pa.table({"session_id": ids, "item_id": list(range(9))}), tmp_path / "e.parquet")

    sessions = pa.concat_tables(sessions_of(tmp_path / "e.parquet", rows)).to_pylist()

    assert sessions == [
        {"session_id": 3, "items": [0, 1, 2]},
        {"session_id": 1, "items": [3]},
        {"session_id": 2, "items": [4, 5, 6, 7]},
        {"session_id": 9, "items": [8]},
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "session_id,items\nx,a\n,b\n",
            r"a.csv, row 2 \(line 3\): column 'session_id' \(session_id\) is empty",
        ),
        (
            "a.jsonl",
            '{"items": ["a"]}\n{"items": [null]}',
            r"a.jsonl, row 2: the list in column 'items' has an empty item",
        ),
        ("a.jsonl", '{"items": "a"}', r"row 1: 'items' holds \"a\". It must be a list of item ids"),
        ("a.jsonl", '{"items": [1.5]}', r"row 1: 'items' holds \[1.5\]"),
        ("a.jsonl", '{"items": ["a", true]}', r"row 1: 'items' holds \[\"a\", true\]"),
        ("a.jsonl", '{"items": ["\\ud800"]}', "half of a character"),
        (
            "a.csv",
            "session_id,items\nx,a|b\ny,a||b\n",
            r"row 2 \(line 3\): the list in column 'items' has an empty item",
        ),
        ("a.csv", "session_id,items\n", "has no sessions"),
        ("a.csv", "session_id,item\nx,a\n", "neither a position nor a timestamp"),
        ("a.csv", "session_id,item,pos\nx,,1\n", r"row 1 \(line 2\): column 'item' \(item_id\) is empty"),
    ],
)
def test_what_breaks_a_rule_is_named(tmp_path, name, text, message) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(BadInput, match=message):
        read(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"items": [1.5]}, "column 'items' has type double. It must hold a list of item ids"),
        ({"items": [[1.5]]}, r"'items' \(item_id\) has type list of double"),
        ({"items": [["a"]], "session_id": [1.5]}, r"'session_id' \(session_id\) has type double"),
        ({"items": [["a", None]], "session_id": [1]}, 'has an empty item: .*"a", null'),
    ],
)
def test_types_that_are_no_ids_are_named(tmp_path, table, message) -> None:
    pq.write_table(pa.table(table), tmp_path / "a.parquet")

    with pytest.raises(BadInput, match=message):
        read(tmp_path / "a.parquet", tmp_path)


def test_an_events_file_may_have_a_column_called_items(tmp_path) -> None:
    (tmp_path / "e.csv").write_text("session_id,item_id,position,items\nx,a,1,17\n")
    events = PrepareSettings(columns=Columns(item_id="item_id"))
    assert read(tmp_path / "e.csv", tmp_path, events) == [("x", ["a"])]

    with pytest.raises(BadInput, match="has a row per session, with a list in 'items', so --position has no use"):
        read(tmp_path / "e.csv", tmp_path, PrepareSettings(columns=Columns(position="position")))


def test_all_parts_have_one_layout(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.csv").write_text("session_id,items\nx,a\n")
    (tmp_path / "in/2.csv").write_text("session_id,item_id,position\nx,a,1\n")

    with pytest.raises(BadInput, match=r"2.csv has no column 'items', which 1.csv has"):
        read(tmp_path / "in", tmp_path)
