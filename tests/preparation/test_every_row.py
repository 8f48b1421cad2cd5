"""Nothing is lost or changed silently: every row is read as it stands, or refused with its place and a way out."""

import csv
import io

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

import hiersrec
from hiersrec.errors import BadInput
from hiersrec.preparation.csv_rows import RowCount
from tests.preparation.tables import plain

pytestmark = pytest.mark.slow

HEADER = "session_id,item_id,timestamp,query\n"


def event_lines(rows=30, query="tv"):
    return [f"{row // 3},{row % 3},{1_577_836_800 + row * 10},{query}\n" for row in range(rows)]


def prepare_text(tmp_path, text, name="events.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return hiersrec.prepare(path, **{"split": "fraction:0.3", "progress": False, **options})


def orders(data):
    return {name: items for split in plain(data).values() for name, items in split}


@pytest.mark.parametrize(
    ("value", "row", "message"),
    [
        ('"tv', 7, "is not closed"),
        ('"the "best" tv"', 7, "after a value in quotes comes 'best"),
        (r'"a \"smart\" tv"', 7, r"a quote inside of a value is written as \", before \'smart".replace("\\'", "'")),
    ],
)
@pytest.mark.parametrize("before", ["tv", '"a quoted, ""good"" tv"', '19" tv', '"two\nlines"'])
def test_a_stray_quote_names_its_row(tmp_path, value, row, message, before):
    lines = event_lines(query=before)
    lines[row - 1] = lines[row - 1].replace(before, value)
    lines[-1] = lines[-1].replace(before, "tv")

    with pytest.raises(BadInput) as error:
        prepare_text(tmp_path, HEADER + "".join(lines))

    assert f"events.csv, row {row}: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("query", ['19" tv', '"a ""smart"" tv"', '"two\nlines"', '""', '"a, b"', '"\r\n"', 'x"y"'])
def test_quotes_that_are_right_lose_no_row(tmp_path, query):
    data = prepare_text(tmp_path, HEADER + "".join(event_lines(query=query)))

    assert data.document["filters"][0]["events"] == 30


FIELDS = some.text(some.sampled_from('ab",;\n\r '), max_size=6)


@given(some.lists(some.lists(FIELDS, min_size=2, max_size=3).map(lambda row: ["x", *row]), min_size=1, max_size=8))
def test_rows_are_counted_as_the_csv_module_does(rows):
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        text = io.StringIO(newline="")
        csv.writer(text, quoting=quoting).writerows(rows)
        data = text.getvalue().encode()
        for size in (1, 3, len(data)):
            count = RowCount("events.csv", ",")
            for start in range(0, len(data), size):
                count.feed(data[start : start + size])
            assert count.finish() == len(rows)


@pytest.mark.parametrize("name", ["events.csv", "events.tsv", "events.jsonl"])
def test_nineteen_digits_are_exact(tmp_path, name):
    start = 9_000_000_000_000_000_000
    rows = [(row // 3, row % 3, start + (2 - row % 3)) for row in range(30)]
    if name.endswith("jsonl"):
        text = "".join(f'{{"session_id": {s}, "item_id": {i}, "position": {p}}}\n' for s, i, p in rows)
    else:
        text = "session_id,item_id,position\n" + "".join(f"{s},{i},{p}\n" for s, i, p in rows)
        text = text.replace(",", "\t") if name.endswith("tsv") else text

    data = prepare_text(tmp_path, text, name, split="random:0.3")

    assert set(map(tuple, orders(data).values())) == {(2, 1, 0)}


@pytest.mark.parametrize("positions", [["1", "2.5", str(2**60)], [str(2**60), "1", "2.5"], ["1e400", "1", "2"]])
def test_a_position_that_is_not_exact_is_refused(tmp_path, positions):
    text = "session_id,item_id,position\n" + "".join(f"{row // 3},1,{positions[row % 3]}\n" for row in range(9))

    with pytest.raises(BadInput, match=r"\(position\) is not a number that orders exactly"):
        prepare_text(tmp_path, text, split="random:0.3")


@pytest.mark.parametrize("kind", ["integers", "timestamps", "text"])
def test_nanoseconds_order_events(kind):
    ticks = [1_577_836_800_000_000_000 + row // 3 * 10**12 + (2 - row % 3) * 100 for row in range(30)]
    times = pa.array(ticks) if kind == "integers" else pa.array(ticks).cast(pa.timestamp("ns"))
    times = times.cast(pa.string()) if kind == "text" else times
    owners, items = pa.array([row // 3 for row in range(30)]), pa.array([row % 3 for row in range(30)])

    for owner in ("session_id", "user_id"):
        table = pa.table([owners, items, times], names=[owner, "item_id", "timestamp"])
        data = hiersrec.prepare(table, split="fraction:0.3", progress=False)
        assert set(map(tuple, orders(data).values())) == {(2, 1, 0)}


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            {7: "1577836860000"},
            "row 8 (line 9): 1577836860000 has the size of milliseconds since 1970, but 29 of 30 times have",
        ),
        ({7: "1e400"}, "row 8 (line 9): '1e400' in column 'timestamp' is not a time"),
        ({7: "9" * 40}, f"row 8 (line 9): '{'9' * 40}' in column 'timestamp' is not a time"),
        (dict.fromkeys(range(30), "20200101"), "--time-format %Y%m%d."),
        (dict.fromkeys(range(30), "20200101123000"), "--time-format %Y%m%d%H%M%S."),
    ],
)
def test_times_that_can_not_be_right(tmp_path, times, message):
    lines = [f"{row // 3},{row % 3},{times.get(row, 1_577_836_800 + row * 10)}\n" for row in range(30)]

    with pytest.raises(BadInput) as error:
        prepare_text(tmp_path, "session_id,item_id,timestamp\n" + "".join(lines))

    assert message in str(error.value)


def test_parts_with_times_of_two_units(tmp_path):
    (tmp_path / "events").mkdir()
    for name, scale in (("a", 1), ("b", 1000)):
        lines = [f"{name}{row},{item},{1_577_836_800 * scale}\n" for row in range(9) for item in range(2)]
        (tmp_path / "events" / f"{name}.csv").write_text("session_id,item_id,timestamp\n" + "".join(lines))

    with pytest.raises(BadInput, match=r"row 1 \(line 2\): .* All times must have one unit"):
        hiersrec.prepare(tmp_path / "events", split="fraction:0.3", progress=False)


def test_a_format_that_does_not_fit(tmp_path):
    with pytest.raises(BadInput, match=r"row 1 .*'1577836800' .* is not a time. --time-format says .* %d.%m.%Y"):
        prepare_text(tmp_path, HEADER + "".join(event_lines()), time_format="%d.%m.%Y")


@pytest.mark.parametrize("year", ["9999-12-31", "0001-01-01", "1970-01-02"])
def test_implausible_years_are_told(tmp_path, year, capsys):
    lines = [f"{row // 3},{row % 3},{year if row == 4 else '2020-01-01'}\n" for row in range(30)]

    prepare_text(tmp_path, "session_id,item_id,timestamp\n" + "".join(lines), split="random:0.3", progress=True)

    assert f"{year}" in capsys.readouterr().err.split("warning: times from")[1].split("are implausible")[0]


def test_a_missing_number_does_not_make_text_of_all_ids(tmp_path):
    lines = event_lines()
    lines[4] = lines[4].replace("1,1,", "1,NaN,", 1)

    with pytest.raises(BadInput, match=r"row 5 \(line 6\): column 'item_id' \(item_id\) is empty \('NaN'\)"):
        prepare_text(tmp_path, HEADER + "".join(lines))


def test_an_item_may_be_called_nan(tmp_path):
    lines = [f"{row // 3},{('nan', 'naan', 'roti')[row % 3]},{row}\n" for row in range(30)]

    data = prepare_text(tmp_path, "session_id,item_id,position\n" + "".join(lines), split="random:0.3")

    assert set(map(tuple, orders(data).values())) == {("nan", "naan", "roti")}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.csv", (HEADER + "".join(event_lines())).encode("utf-16"), "is not UTF-8, but UTF-16"),
        ("events.csv", b"session_id,item_id,time\xff\n1,2,3\n", "the header line is not UTF-8"),
        ("events.csv", (HEADER + "".join(event_lines())).encode() + b"1,\xff,3,x\n", "row 31 (line 32) is not UTF-8"),
        ("events.csv.gz", HEADER.encode(), "events.csv.gz can't be read"),
        ("events.csv.zst", HEADER.encode(), "events.csv.zst can't be read"),
        ("events.jsonl", b'{"session_id": 1, "item_id": 2, "position": 3}\n{"sess', "events.jsonl, line 2 is not JSON"),
        ("events.json", b'[{"session_id": 1}]', "events.json, line 1 is not a JSON object"),
        ("events.json", b'[\n{"session_id": 1}]', "It seems to be one JSON array"),
        ("events.jsonl", b'{"session_id": 1, "item_id": [2], "position": 3}\n', "row 1: 'item_id' holds [2]"),
        (
            "events.jsonl",
            b'{"session_id": 1, "item_id": 2.5, "position": 3}\n',
            "'item_id' (item_id) has type double",
        ),
        (
            "events.jsonl",
            b'{"session_id": 1, "item_id": "a\\ud800", "position": 3}\n',
            r"""row 1: 'item_id' holds "a\ud800", half of a character""",
        ),
        ("events.jsonl", b'{"session_id": 1, "item_id": 2, "position": 3, "\\ud800": 4}\n', "surrogates not allowed"),
        ("events.jsonl", b"", "events.jsonl is empty"),
    ],
)
def test_damaged_files(tmp_path, name, content, message):
    with pytest.raises(BadInput) as error:
        prepare_text(tmp_path, content, name)

    assert message in str(error.value)


@pytest.mark.parametrize("in_items", [True, False])
def test_ids_that_pandas_made_floats_because_some_are_missing(in_items):
    rows = range(30)
    good = pd.DataFrame({"session_id": [r // 3 for r in rows], "item_id": [r % 3 for r in rows], "position": rows})
    bad = good.assign(item_id=[None, *good["item_id"][1:]])
    listed = pd.DataFrame({"item_id": [0, 1, 2, None]})
    tables = (good, listed) if in_items else (bad, None)

    with pytest.raises(BadInput) as error:
        hiersrec.prepare(*tables, split="random:0.3", progress=False)

    table = "items" if in_items else "events"
    assert f"{table}.parquet: column 'item_id' (item_id) has type double" in str(error.value)
    assert 'drop the rows without one, and give frame.astype({"item_id": "Int64"})' in str(error.value)
    mended = [None if table is None else table.dropna().astype({"item_id": "Int64"}) for table in tables]
    assert hiersrec.prepare(*mended, split="random:0.3", progress=False).catalog.num_items == 3


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Item_ID", "item_id"), "'item_id' of events.csv is read as item_id, and not 'Item_ID'"),
        (("Item_ID", "item_id:token"), "'Item_ID' of events.csv is read as item_id, and not 'item_id:token'"),
        (("Item_ID", "sku"), "'Item_ID' of events.csv is read as item_id\n"),
        (("item_id", "sku"), ""),
    ],
)
def test_of_two_names_of_a_field_the_one_read_is_told(tmp_path, capsys, names, told):
    header = "session_id,{},timestamp,{}\n".format(*names)

    prepare_text(tmp_path, header + "".join(event_lines(query="7")), progress=True)

    lines = [line for line in capsys.readouterr().err.splitlines(keepends=True) if "is read as item_id" in line]
    assert [told.strip() in line for line in lines] == [True] * bool(told)


def with_items(table, **options):
    rows = range(30)
    events = pa.table({"session_id": [r // 3 for r in rows], "item_id": [r % 3 for r in rows], "position": list(rows)})
    table = table if isinstance(table, pa.Table) else pa.table({"item_id": [0, 1, 2], **table})
    return hiersrec.prepare(events, table, split="random:0.3", **options)


def names(data):
    return [[name for name in level.names if name is not None] for level in data.catalog.levels]


def test_a_list_is_a_path():
    path = [["Home", "Beds"], ["Home", None], ["Office"]]

    data = with_items({"category": pa.array(path)})

    assert names(data) == [["Home", "Office"], ["Beds"]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"category_1": [["a"], ["b"], ["c"]]}, "column 'category_1' holds lists, and a level needs one name"),
        ({"category": [[["a"]], [["b"]], [["c"]]]}, "which is not a category"),
        ({"category": [{"a": "b"}] * 3}, "which is not a category"),
        ({"x" * 300: [1, 2, 3]}, "has a column whose name is 300 bytes long"),
    ],
)
def test_columns_of_items_that_are_refused(columns, message):
    with pytest.raises(BadInput) as error:
        with_items(columns)

    assert message in str(error.value)


def test_numbers_as_categories():
    assert names(with_items({"category_1": [1.0, float("nan"), 2.5]})) == [["1", "2.5"]]


def test_blanks_around_categories_are_no_part_of_them():
    data = with_items({"category_1": [" a", "a ", "a"], "category_2": ["x", " x", "x "]})

    assert names(data) == [["a"], ["x"]]


def test_a_separator_in_front_of_all_paths(capsys):
    data = with_items({"category": ["/Home/Beds", "/Home", ""]})

    assert names(data) == [["Home"], ["Beds"]]
    assert "all category paths begin with '/', which is left out" in capsys.readouterr().err


def test_another_separator_is_advised(capsys):
    with_items({"category": ["Home > Beds", "Home > Lamps", None]})

    assert "'Home > Beds' is cut with --category-separator '>'" in capsys.readouterr().err


def test_blanks_around_ids_are_kept_and_told(capsys):
    rows = range(30)
    table = pa.table({"session_id": [row // 3 for row in rows], "item_id": [" 1", "2", "3"] * 10, "position": rows})

    data = hiersrec.prepare(table, split="random:0.5")

    assert set(map(tuple, orders(data).values())) == {(" 1", "2", "3")}
    assert "values of column 'item_id' begin or end with blanks" in capsys.readouterr().err


@pytest.mark.parametrize("day", ["31.02.2020", "29.02.2019", "31.4.2020", "1.2.20"])
def test_a_day_that_there_is_not_is_no_other_day(tmp_path, day):
    lines = [f"{row // 3},{row % 3},{1 + row % 28:02}.03.2020,tv\n" for row in range(30)]
    lines[6] = f"2,0,{day},tv\n"

    with pytest.raises(BadInput, match=rf"row 7 .*'{day}' .* is not a time. --time-format says"):
        prepare_text(tmp_path, HEADER + "".join(lines), time_format="%d.%m.%Y")


def test_days_without_zeros_before_them_are_read(tmp_path):
    texts = ["{}.{}.2020", "{:02}.{:02}.2020"]
    lines = [[f"{row // 3},{row % 3},{text.format(1 + row % 28, 3)},tv\n" for row in range(30)] for text in texts]

    plain_days, padded = (
        prepare_text(tmp_path, HEADER + "".join(one), time_format="%d.%m.%Y", out=tmp_path / str(number))
        for number, one in enumerate(lines)
    )

    assert orders(plain_days) == orders(padded)


def test_positions_may_be_whole_numbers_in_one_file_and_have_fractions_in_another(tmp_path):
    folder, expected = tmp_path / "events", tmp_path / "whole.parquet"
    folder.mkdir()
    rows = {"session_id": [row // 3 for row in range(30)], "item_id": [row % 5 for row in range(30)]}
    whole = pd.DataFrame({**rows, "position": [-row for row in range(30)]})
    whole.to_parquet(expected)
    whole[:15].to_parquet(folder / "0.parquet")
    whole[15:].astype({"position": float}).to_parquet(folder / "1.parquet")

    mixed, same = (
        hiersrec.prepare(events, out=tmp_path / f"out{number}", split="random:0.3", progress=False)
        for number, events in enumerate((folder, expected))
    )

    assert orders(mixed) == orders(same)


def test_users_that_only_some_files_have_are_not_needed(tmp_path):
    folder = tmp_path / "events"
    folder.mkdir()
    lines = event_lines()
    (folder / "0.csv").write_text(HEADER + "".join(lines[:15]))
    users = "".join(line.replace("tv", "tv,u") for line in lines[15:])
    (folder / "1.csv").write_text(HEADER.replace("query", "query,user_id") + users)

    data = hiersrec.prepare(folder, out=tmp_path / "data", split="fraction:0.3", progress=False)

    assert data.document["filters"][0]["users"] is None
    assert data.document["filters"][0]["events"] == 30
    with pytest.raises(BadInput, match=r"0\.csv has no column 'user_id', named by --user-id"):
        hiersrec.prepare(folder, out=tmp_path / "no", user_id="user_id", split="fraction:0.3", progress=False)
