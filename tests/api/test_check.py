"""`check`: facts counted by hand and by a slow twin, and a command that works."""

import json
import shlex
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

import hiersrec as hr
from hiersrec.cli import split_list
from hiersrec.errors import BadInput
from tests.preparation.tables import events as shop_events
from tests.preparation.tables import items as shop_items
from tests.preparation.tables import write

DAY = 86_400
NOON = 1_569_240_000
"""2019-09-23 12:00:00 UTC."""


def rows_of(*sessions: str, pause: float = 60) -> list[dict[str, Any]]:
    """Sessions such as "abc", an item each letter; session n begins n days after noon."""
    return [
        {"session_id": f"s{number}", "item_id": item, "timestamp": NOON + number * DAY + step * pause}
        for number, items in enumerate(sessions)
        for step, item in enumerate(items)
    ]


def check(rows: list[dict[str, Any]], items: list[dict[str, Any]] | None = None, **options: Any) -> hr.Check:
    frame = None if items is None else pa.Table.from_pylist(items)
    return hr.check(pa.Table.from_pylist(rows), frame, progress=False, **options)


def test_facts_by_hand() -> None:
    # Ten days; the advised split tests on the last day, whose session has c and the new item e.
    rows = rows_of("ab", "abab", "a", "aab", "cd", "ab", "cd", "ab", "ab", "cec")
    rows.append(rows[0])  # a duplicate: a tie and a repeat too
    items = [{"item_id": name, "category_1": top} for name, top in zip("abdz", ["x", None, "y", "x"], strict=True)]

    document = check(rows, items).to_dict()

    assert document["split"] == "last-days:1"
    assert document["events"] == {
        "files": "Table",
        "rows": 24,
        "columns": {"session_id": "session_id", "item_id": "item_id", "timestamp": "timestamp"},
        "time": {
            "first": "2019-09-23 12:00:00 UTC",
            "last": "2019-10-02 12:02:00 UTC",
            "seconds": 9 * DAY + 120,
        },
        "sessions": {
            "count": 10,
            "cut_at_pause": None,
            "one_event": 1,
            "mean_length": 2.4,
            "median_length": 2.0,
            "longest_of_99_percent": 4,
            "longest": 4,
        },
        "items": 5,
        "users": None,
        "event_types": {},
        "duplicate_rows": 1,
        "ties": 1,
        "repeats": 5,  # aba: 1, abab: 2, aab: 1, cec: 1
        "new_items": {"days": 1.0, "items": 2, "new": 1, "events_on_new": 1},
        "bots": {"long": {"sessions": 0, "events": 0}, "fast": {"sessions": 0, "events": 0}},
        "unused_columns": [],
    }
    # Items a-e; a and d have a category: a has 9 events of 24 and d 2.
    assert document["items"] == {
        "files": "Table",
        "rows": 4,
        "columns": {"item_id": "item_id", "categories": ["category_1"]},
        "metadata": [],
        "absent": 2,
        "unused": 1,
        "levels": [{"categories": 2, "items": 2 / 5, "events": (count(rows, "a") + count(rows, "d")) / 24}],
    }


def count(rows: list[dict[str, Any]], item: str) -> int:
    return sum(row["item_id"] == item for row in rows)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("by_gap", [False, True])
def test_counts_and_a_twin_agree(seed: int, by_gap: bool) -> None:
    rows = shop_events(seed, sessions=60)
    if by_gap:
        rows = [{name: value for name, value in row.items() if name != "session_id"} for row in rows]

    facts = check(rows, shop_items(), gap=999.5).to_dict()["events"]

    sessions: dict[Any, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["timestamp"]):
        name = row.get("session_id", row["user_id"])
        session = sessions.setdefault(name, [])
        if by_gap and session and row["timestamp"] - session[-1]["timestamp"] > 999.5:
            sessions[name, len(sessions)] = sessions.pop(name)
            session = sessions.setdefault(name, [])
        session.append(row)
    lengths = sorted(map(len, sessions.values()))
    assert facts["rows"] == len(rows)
    assert facts["sessions"]["count"] == len(sessions)
    assert facts["sessions"]["cut_at_pause"] == (999.5 if by_gap else None)
    assert facts["sessions"]["one_event"] == lengths.count(1)
    assert facts["sessions"]["longest"] == lengths[-1]
    assert facts["repeats"] == sum(
        len(session) - len({row["item_id"] for row in session}) for session in sessions.values()
    )
    assert facts["users"] == len({row["user_id"] for row in rows})
    assert facts["event_types"] == dict(Counter(row["event_type"] for row in rows).most_common())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (rows_of("a" * 201, "ab"), {"long": 1, "fast": 0}),
        (rows_of("a" * 200, "ab"), {"long": 0, "fast": 0}),
        (rows_of("a" * 20, "ab", pause=0.5), {"long": 0, "fast": 1}),
        (rows_of("a" * 20, "ab", pause=1), {"long": 0, "fast": 0}),
        (rows_of("a" * 19, "ab", pause=0.5), {"long": 0, "fast": 0}),
        (rows_of("a" * 20, "ab", pause=0), {"long": 0, "fast": None}),  # days, without a time of day
    ],
)
def test_sessions_that_no_person_has(rows: list[dict[str, Any]], expected: dict[str, int | None]) -> None:
    bots = check(rows).to_dict()["events"]["bots"]

    assert {name: facts and facts["sessions"] for name, facts in bots.items()} == expected


def test_the_command_prepares_the_tables(tmp_path) -> None:
    renamed = [{"sku" if name == "item_id" else name: value for name, value in row.items()} for row in shop_events()]
    items = [{"sku" if name == "item_id" else name: value for name, value in row.items()} for row in shop_items()]
    events, items_file = write(tmp_path / "my events.csv", renamed), write(tmp_path / "items.csv", items)

    checked = hr.check(
        events, items_file, item_id="sku", category_columns=["category_1", "category_2"], gap=60, progress=False
    )

    words = shlex.split(checked.to_dict()["prepare"])
    assert words[:5] == ["hiersrec", "prepare", str(events), "--items", str(items_file)]
    assert words[5:] == [
        *("--item-id", "sku", "--category-columns", "category_1,category_2", "--gap", "60"),
        *("--split", checked.to_dict()["split"], "--out", "data/shop"),
    ]
    prepared = hr.prepare(
        events,
        items_file,
        item_id="sku",
        category_columns=["category_1", "category_2"],
        split=words[-3],
        progress=False,
    )
    assert checked.to_dict()["events"]["rows"] == prepared.document["filters"][0]["events"]
    levels = checked.to_dict()["items"]["levels"]
    assert [level["items"] for level in levels] == [
        10 / 12,
        8 / 12,
    ]  # items 5, 6, 11 and 12 lack a level, 6 and 12 both


def test_it_fits_one_screen_and_says_what_to_do(tmp_path) -> None:
    events = write(tmp_path / "events.csv", [{**row, "referrer": "x"} for row in shop_events()])

    checked = hr.check(events, write(tmp_path / "items.csv", shop_items()), progress=False)

    text = repr(checked)
    assert "not read" in text
    assert "referrer" in text
    assert "Next: hiersrec prepare" in text
    assert len(text.splitlines()) <= 30
    json.dumps(checked.to_dict(), allow_nan=False)


def test_without_a_next_item_there_is_no_command() -> None:
    checked = check(rows_of("a", "b", "c"))

    assert checked.to_dict()["prepare"] is None
    assert "No session has two events" in repr(checked)
    assert "--implicit-categories auto" in repr(checked)


def test_positions_in_place_of_times() -> None:
    rows = [{"session_id": n, "item_id": n + step, "position": step} for n in range(9) for step in (0, 1, 1)]

    document = check(rows).to_dict()

    assert document["events"]["time"] is None
    assert document["events"]["new_items"] is None
    assert document["events"]["ties"] == 9
    assert document["split"] == "random:0.2"


def test_what_prepare_refuses_is_refused() -> None:
    rows = shop_events()
    rows[4]["item_id"] = None

    with pytest.raises(BadInput, match=r"row 5.*item_id"):
        check(rows)


def test_the_options_of_the_reader_go_into_the_command(tmp_path) -> None:
    (tmp_path / "events.csv").write_text(
        "session_id\titem_id\twhen\n" + "".join(f"{n}\ti{n % 3}\t{1 + n // 20:02}.09.2019\n" for n in [*range(99)] * 2)
    )
    (tmp_path / "items.csv").write_text("sku\tcategory\n" + "".join(f"i{n}\ta/b\n" for n in range(3)))
    options = {"items_item_id": "sku", "timestamp": "when", "time_format": "%d.%m.%Y", "separator": "tab"}

    document = hr.check(tmp_path / "events.csv", tmp_path / "items.csv", progress=False, **options).to_dict()

    assert document["events"]["time"]["last"] == "2019-09-05 00:00:00 UTC"
    assert document["items"]["levels"] == [{"categories": 1, "items": 1.0, "events": 1.0}] * 2
    words = shlex.split(document["prepare"])
    assert words[5:-4] == [
        *("--items-item-id", "sku", "--timestamp", "when", "--time-format", "%d.%m.%Y", "--separator", "tab"),
    ]


def test_nobody_is_no_user_and_names_with_commas_are_quoted(tmp_path) -> None:
    users = ["u1", "u2", "", None]
    rows = [{"session_id": n // 3, "item_id": n % 4, "timestamp": n, "user_id": users[n % 4]} for n in range(120)]
    write(tmp_path / "items.csv", [{"item_id": n, "main, sub": "a", "group": f"b{n}"} for n in range(4)])
    names = ("main, sub", "group")

    document = hr.check(
        pa.Table.from_pylist(rows), tmp_path / "items.csv", category_columns=names, progress=False
    ).to_dict()

    assert document["events"]["users"] == 2
    command = shlex.split(document["prepare"])
    assert split_list(command[command.index("--category-columns") + 1]) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"events": None}, "events must be the path of a file or folder, or a frame"),
        ({"events": "events.csv", "session_id": 7}, "session_id must be text, got 7"),
        ({"events": "events.csv", "category_columns": 7}, "category_columns must be text or a list of texts, got 7"),
        ({"events": "events.csv", "gap": "long"}, "gap must be a number, got 'long'"),
    ],
)
def test_wrong_arguments_are_one_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        hr.check(**arguments, progress=False)
