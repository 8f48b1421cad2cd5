"""Each kind of bad input gets one error that says where, what and how to mend it, and leaves nothing behind."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from tests.preparation.tables import LATEST, events, items, made, with_part, write


def changed(rows, row, **values):
    """Rows, with some values of data row `row` (from 1) changed."""
    return [{**existing, **values} if index == row else existing for index, existing in enumerate(rows, start=1)]


def without(rows, *names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


EVENTS, ITEMS = events(), items()
PLACED = [{**row, "position": place} for place, row in enumerate(EVENTS)]
CASES = {
    "missing item": ({"rows": without(EVENTS, "item_id")}, "no column for item_id", "--item-id"),
    "missing session": (
        {"rows": without(EVENTS, "session_id", "user_id")},
        "nor both user_id and timestamp",
        "--user-id",
    ),
    "missing order": ({"rows": without(EVENTS, "timestamp")}, "neither a position nor a timestamp", "--position"),
    "named column": (
        {"rows": EVENTS, "settings": with_part(LATEST, "columns", item_id="itm_id")},
        "no column 'itm_id', named by --item-id",
        "Did you mean 'item_id'?",
    ),
    "types without column": (
        {"rows": without(EVENTS, "event_type"), "settings": with_part(LATEST, "sessions", event_types=("cart",))},
        "no column for event_type",
        "--event-type",
    ),
    "no such type": (
        {"rows": EVENTS, "settings": with_part(LATEST, "sessions", event_types=("order",))},
        "No event has the type 'order' of --event-types order",
        "cart, view",
    ),
    "one of two types": (
        {"rows": EVENTS, "settings": with_part(LATEST, "sessions", event_types=("view", "order"))},
        "No event has the type 'order' of --event-types view, order",
        "cart, view",
    ),
    "users without column": (
        {"rows": without(EVENTS, "user_id"), "settings": with_part(LATEST, "filters", min_user_count=2)},
        "--min-user-count needs a user_id column",
        "--user-id",
    ),
    "no session id": ({"rows": changed(EVENTS, 5, session_id=None)}, "row 5", "(session_id) is empty"),
    "no item id": ({"rows": changed(EVENTS, 7, item_id=None)}, "row 7", "(item_id) is empty"),
    "bad time": (
        {"rows": changed(EVENTS, 3, timestamp="soon"), "suffix": ".csv"},
        "events.csv, row 3 (line 4): 'soon' in column 'timestamp' is not a time",
        "ISO-8601",
    ),
    "bad month": (
        {"rows": [{**row, "timestamp": "2016-13-01"} for row in EVENTS]},
        "events.parquet, row 1: '2016-13-01'",
        "is not a time",
    ),
    "bad position": (
        {"rows": changed([{**row, "position": 1} for row in EVENTS], 9, position="third"), "suffix": ".tsv"},
        "events.tsv, row 9 (line 10): 'third'",
        "(position) is not a number",
    ),
    "ids that are neither": (
        {"rows": [{**row, "item_id": row["item_id"] / 2} for row in EVENTS]},
        "column 'item_id' (item_id) has type double",
        "text or integers",
    ),
    "duplicate items": (
        {"rows": EVENTS, "item_rows": [*ITEMS, ITEMS[0]], "suffix": ".csv"},
        "items.csv, row 13 (line 14): item '12' has a row already",
        "row 1 (line 2)",
    ),
    "two parents": (
        {"rows": EVENTS, "item_rows": changed(ITEMS, 2, category_1="cars", category_2="novels")},
        "category 'novels' of level 2 has the parent",
        "--category-path",
    ),
    "item without id": ({"rows": EVENTS, "item_rows": changed(ITEMS, 4, item_id=None)}, "row 4", "(item_id) is empty"),
    "another shop's items": (
        {"rows": EVENTS, "item_rows": [{**row, "item_id": row["item_id"] + 1000} for row in ITEMS]},
        "No item of the events is in",
        "--item-id",
    ),
    "no metadata column": (
        {"rows": EVENTS, "item_rows": ITEMS, "settings": with_part(LATEST, "metadata", text=("titel",))},
        "no metadata column 'titel', named by --text",
        "Did you mean 'title'?",
    ),
    "nothing to ignore": (
        {"rows": EVENTS, "item_rows": ITEMS, "settings": with_part(LATEST, "metadata", ignore=("colour",))},
        "no column 'colour', named by --ignore",
        "Known:",
    ),
    "reserved name": (
        {"rows": EVENTS, "item_rows": [{**row, "train_count": 1} for row in ITEMS]},
        "'train_count', a name that hiersrec uses itself",
        "--ignore",
    ),
    "all filtered away": (
        {"rows": EVENTS, "settings": with_part(LATEST, "filters", min_item_count=1000)},
        "Nothing is left after the filter 'min_item_count 1000' in round 1",
        "Lower --min-item-count",
    ),
    "no test sessions": (
        {"rows": EVENTS, "settings": PrepareSettings(split=SplitSettings(method="date", value="2030-01-01"))},
        "--split date:2030-01-01 leaves no test sessions: all 25 are training. The cut is at 2030-01-01 00:00:00 UTC",
        "Use --split last-days:1.",
    ),
    "no training sessions": (
        {"rows": EVENTS, "settings": PrepareSettings(split=SplitSettings(method="date", value="2000-01-01"))},
        "--split date:2000-01-01 leaves no training sessions",
        "the sessions end from 2016-04-07 04:56:53 UTC to 2016-04-16 ",
    ),
    "no date": (
        {"rows": EVENTS, "settings": PrepareSettings(split=SplitSettings(method="date", value="May"))},
        "--split date needs an ISO date",
        "'May'",
    ),
    "no times": (
        {"rows": without([{**row, "position": 1} for row in EVENTS], "timestamp")},
        "--split fraction needs times",
        "--timestamp",
    ),
    "latest without times": (
        {
            "rows": without([{**row, "position": 1} for row in EVENTS], "timestamp"),
            "settings": with_part(LATEST, "split", method="random"),
        },
        "--validation latest needs times",
        "--validation random",
    ),
    "no split": ({"rows": EVENTS, "settings": PrepareSettings()}, "There are no test sessions", "--test FILE"),
    "two splits": ({"rows": EVENTS, "test_rows": EVENTS}, "--split fraction has no effect", "Give one of the two"),
    "no key": (
        {"rows": EVENTS, "settings": PrepareSettings(split=SplitSettings(method="random", value=0.2, key="basket"))},
        "no column 'basket', named by --split-key",
        "Known:",
    ),
    "two keys": (
        {
            "rows": EVENTS,
            "settings": PrepareSettings(split=SplitSettings(method="random", value=0.2, key="event_type")),
        },
        "has two values of --split-key event_type: 'cart' and 'view'",
        "choose another column",
    ),
    "other columns in the test file": (
        {"rows": PLACED, "settings": PrepareSettings(), "test_rows": without(PLACED, "timestamp")},
        "All events files must have the same columns",
        "test.parquet",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_tables(tmp_path, case):
    given, *expected = CASES[case]

    with pytest.raises(BadInput) as error:
        made(tmp_path / "out", **given)

    assert all(text in str(error.value) for text in expected), str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out_files"]


def broken(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.csv", b"", "events.csv is empty"),
        ("events.csv", b"session_id,item_id,timestamp\n", "events.csv has no rows"),
        ("events.csv", b"session_id,item_id,timestamp\n1,2,3\n1,2\n", "events.csv can't be read"),
        ("events.csv", b"session_id,item_id,timestamp\n1,\xff\xfe,3\n", "events.csv can't be read"),
        ("events.csv", b"session_id,item_id,item_id\n1,2,3\n", "more than one column 'item_id'"),
        ("events.parquet", b"not parquet", "events.parquet can't be read"),
        ("events.xlsx", b"?", "events.xlsx is of an unknown kind. Files must end in .csv"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    source = Source("shop", broken(tmp_path, name, content))

    with pytest.raises(BadInput) as error:
        prepare(source, tmp_path / "out", LATEST, say=lambda _: None)

    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["events", "items", "test"])
def test_a_file_that_is_not_there(tmp_path, missing):
    path = write(tmp_path / "there.parquet", EVENTS)
    nowhere = tmp_path / "nowhere.csv"
    source = Source("shop", nowhere if missing == "events" else path, nowhere if missing == "items" else None)
    settings = LATEST
    if missing == "test":
        source, settings = Source("shop", path, None, nowhere), PrepareSettings()

    with pytest.raises(BadInput, match=r"There is no file or folder at .*nowhere.csv"):
        prepare(source, tmp_path / "out", settings, say=lambda _: None)


def test_folders_of_nothing_and_of_everything(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    with pytest.raises(BadInput, match="holds no files"):
        prepare(Source("shop", folder), tmp_path / "out", LATEST, say=lambda _: None)

    write(folder / "a.csv", EVENTS)
    write(folder / "b.parquet", EVENTS)
    with pytest.raises(BadInput, match=r"several kinds \(.csv, .parquet\)"):
        prepare(Source("shop", folder), tmp_path / "out", LATEST, say=lambda _: None)


def test_rows_are_counted_inside_each_part(tmp_path):
    write(tmp_path / "events" / "a.csv", EVENTS[:50])
    write(tmp_path / "events" / "b.csv", changed(EVENTS[50:], 2, timestamp="never"))

    with pytest.raises(BadInput, match=r"b.csv, row 2 \(line 3\): 'never'"):
        prepare(Source("shop", tmp_path / "events"), tmp_path / "out", LATEST, say=lambda _: None)


def test_parts_of_items_that_do_not_fit(tmp_path):
    path = write(tmp_path / "events.parquet", EVENTS)
    write(tmp_path / "items" / "a.parquet", [{"item_id": 1, "size": 3}])
    write(tmp_path / "items" / "b.parquet", [{"item_id": 2, "size": "large"}])

    with pytest.raises(BadInput, match="don't fit together"):
        prepare(Source("shop", path, tmp_path / "items"), tmp_path / "out", LATEST, say=lambda _: None)


def test_mixed_times(tmp_path):
    for name, start in (("a", "2016-05-01"), ("b", "1462060800")):
        write(tmp_path / "events" / f"{name}.csv", [{**row, "timestamp": start} for row in EVENTS])

    with pytest.raises(BadInput, match="mixes numbers and ISO-8601"):
        prepare(Source("shop", tmp_path / "events"), tmp_path / "out", LATEST, say=lambda _: None)


def test_anonymous_visitors_are_fine_where_sessions_are_given(tmp_path):
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(changed(EVENTS, 1, user_id=None)), path)

    prepare(Source("shop", path), tmp_path / "out", LATEST, say=lambda _: None)

    assert (tmp_path / "out" / "dataset.json").is_file()


def test_killed_in_the_middle_leaves_nothing(tmp_path):
    path = write(tmp_path / "events.parquet", EVENTS)

    def say(line):
        if "write sessions" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Source("shop", path), tmp_path / "out", LATEST, say=say)

    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_older_dataset_as_it_was(tmp_path):
    made(tmp_path / "out", EVENTS)
    before = (tmp_path / "out" / "dataset.json").read_bytes()
    source = Source("shop", write(tmp_path / "bad.csv", without(EVENTS, "item_id")))

    with pytest.raises(BadInput):
        prepare(source, tmp_path / "out", LATEST, overwrite=True, say=lambda _: None)

    assert (tmp_path / "out" / "dataset.json").read_bytes() == before
