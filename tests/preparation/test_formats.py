"""The same rows in every format make the same dataset, and every format accounts for its rows."""

import csv
import gzip
import io
import json
import os
import threading

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hiersrec
from hiersrec.errors import BadInput
from tests.preparation.tables import events, items, plain

pytestmark = pytest.mark.slow

EVENTS, ITEMS = events(), items()


def separated(rows, separator=","):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


TEXTS = {
    "csv": ("csv", separated),
    "tsv": ("tsv", lambda rows: separated(rows, "\t")),
    "semicolons": ("csv", lambda rows: separated(rows, ";")),
    "tabs": ("csv", lambda rows: separated(rows, "\t")),
    "pipes": ("csv", lambda rows: separated(rows, "|")),
    "recbole": ("inter", lambda rows: separated(rows, "\t").replace(b"\t", b":token\t", 1)),
    "all quoted": ("csv", lambda rows: pd.DataFrame(rows).to_csv(index=False, quoting=csv.QUOTE_ALL).encode()),
    "byte order mark": ("csv", lambda rows: b"\xef\xbb\xbf" + separated(rows)),
    "blanks": ("csv", lambda rows: separated(rows, "\t").replace(b"\t", b"; ")),
    "csv.gz": ("csv.gz", lambda rows: gzip.compress(separated(rows))),
    "csv.zst": ("csv.zst", lambda rows: zstd(separated(rows))),
    "jsonl": ("jsonl", json_lines),
    "jsonl with a mark": ("jsonl", lambda rows: b"\xef\xbb\xbf" + json_lines(rows)),
    "ndjson.gz": ("ndjson.gz", lambda rows: gzip.compress(json_lines(rows))),
    "json.zst": ("json.zst", lambda rows: zstd(json_lines(rows))),
}
ORIGIN = {"split": "fraction:0.25", "validation": "latest", "ignore": ("price",), "progress": False}


def prepared(folder, given_events, given_items, **options):
    hiersrec.prepare(given_events, given_items, out=folder, **{**ORIGIN, **options})
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "dataset.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    pq.write_table(pa.Table.from_pylist(EVENTS), folder / "events.parquet")
    pq.write_table(pa.Table.from_pylist(ITEMS), folder / "items.parquet")
    return prepared(folder / "out", folder / "events.parquet", folder / "items.parquet")


@pytest.mark.parametrize("text", TEXTS)
def test_texts(tmp_path, expected, text):
    end, write = TEXTS[text]
    for name, rows in (("events", EVENTS), ("items", ITEMS)):
        (tmp_path / f"{name}.{end}").write_bytes(write(rows))

    assert prepared(tmp_path / "out", tmp_path / f"events.{end}", tmp_path / f"items.{end}") == expected


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.Table.from_pylist])
@pytest.mark.parametrize("as_file", [True, False])
def test_frames_and_their_parquet(tmp_path, expected, library, as_file):
    tables = [library(EVENTS), library(ITEMS)]
    if as_file:
        paths = [tmp_path / "events.parquet", tmp_path / "items.parquet"]
        for table, path in zip(tables, paths, strict=True):
            if isinstance(table, pd.DataFrame):
                table.to_parquet(path)
            elif isinstance(table, pl.DataFrame):
                table.write_parquet(path)
            else:
                pq.write_table(table, path)
        tables = paths

    assert prepared(tmp_path / "out", *tables) == expected


@pytest.mark.parametrize(
    "kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary()]
)
def test_every_arrow_type_of_text(tmp_path, kind):
    event_rows = [{**row, "session_id": f"s{row['session_id']}", "item_id": f"i{row['item_id']}"} for row in EVENTS]
    item_rows = [{**row, "item_id": f"i{row['item_id']}"} for row in ITEMS]
    results = []
    for each in (pa.string(), kind):
        tables = []
        for rows in (event_rows, item_rows):
            table = pa.Table.from_pylist(rows)
            fields = [f.with_type(each) if f.type == pa.string() else f for f in table.schema]
            arrays = [
                table[f.name].combine_chunks().dictionary_encode()
                if pa.types.is_dictionary(f.type)
                else table[f.name].cast(f.type)
                for f in fields
            ]
            tables.append(tmp_path / f"{len(results)}{len(tables)}.parquet")
            pq.write_table(pa.table(arrays, schema=pa.schema(fields)), tables[-1])
        results.append(prepared(tmp_path / f"out{len(results)}", *tables))

    assert results[0] == results[1]


INTEGERS = [pa.int16(), pa.uint8(), pa.uint16(), pa.int32(), pa.uint32(), pa.uint64()]


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_every_arrow_type_of_integers(tmp_path, expected, kind):
    paths = []
    for name, rows in (("events", EVENTS), ("items", ITEMS)):
        table = pa.Table.from_pylist(rows)
        index = table.column_names.index("item_id")
        table = table.set_column(index, "item_id", table["item_id"].cast(kind))
        paths.append(tmp_path / f"{name}.parquet")
        pq.write_table(table, paths[-1])

    assert prepared(tmp_path / "out", *paths) == expected


def test_hashes_above_int64_are_kept_as_text():
    ids = {item: 2**63 + item for item in range(20)}
    table = pa.Table.from_pylist(
        [{**row, "item_id": ids[row["item_id"]]} for row in EVENTS],
        pa.schema([("session_id", pa.int64()), ("item_id", pa.uint64()), ("timestamp", pa.int64())]),
    )
    listed = pa.table(
        {"item_id": pa.array([ids[row["item_id"]] for row in ITEMS], pa.uint64()), "category_1": ["a"] * 12}
    )

    data = hiersrec.prepare(table, listed, split="fraction:0.25", progress=False)

    assert set(data.catalog.items["item_id"].to_pylist()) <= {str(ids[row["item_id"]]) for row in EVENTS}
    assert data.catalog.levels[0].num_known == 1


@pytest.mark.parametrize("times", ["decimal", "dictionary", "zone", "text with UTC", "format", "dates by name"])
def test_every_way_to_write_times(tmp_path, expected, times):
    table = pa.Table.from_pylist(EVENTS)
    seconds = table["timestamp"].combine_chunks()
    moments = seconds.cast(pa.timestamp("s"))
    texts = moments.to_pandas()
    column, options = {
        "decimal": lambda: (seconds.cast(pa.decimal128(20, 0)), {}),
        "dictionary": lambda: (moments.dictionary_encode(), {}),
        "zone": lambda: (seconds.cast(pa.timestamp("s", "Asia/Tokyo")), {}),
        "text with UTC": lambda: (pa.array(texts.dt.strftime("%Y-%m-%d %H:%M:%S UTC")), {}),
        "format": lambda: (pa.array(texts.dt.strftime("%d.%m.%Y %H-%M-%S")), {"time_format": "%d.%m.%Y %H-%M-%S"}),
        "dates by name": lambda: (
            pa.array(texts.dt.strftime("%I:%M:%S %p, %d %b %Y")),
            {"time_format": "%I:%M:%S %p, %d %b %Y"},
        ),
    }[times]()
    table = table.set_column(table.column_names.index("timestamp"), "timestamp", column)

    assert prepared(tmp_path / "out", table, pa.Table.from_pylist(ITEMS), **options) == expected


def test_folders_of_hive_and_of_spark(tmp_path):
    half = len(EVENTS) // 2
    for day, rows in (("2016-04-07", EVENTS[:half]), ("2016-04-08", EVENTS[half:])):
        folder = tmp_path / "events" / f"day={day}" / "event_type=view"
        folder.mkdir(parents=True)
        rows = [{name: row[name] for name in row if name != "event_type"} for row in rows]
        (folder / "part-0.csv").write_bytes(separated(rows))
        (folder / "part-1.csv").write_bytes(separated(rows).splitlines(keepends=True)[0])
        (folder / "part-2.csv").write_bytes(b"")
    (tmp_path / "events" / "_SUCCESS").write_bytes(b"")
    data = hiersrec.prepare(tmp_path / "events", split="fraction:0.25", validation="latest", progress=False)

    assert data.document["filters"][0]["events"] == len(EVENTS)
    assert data.document["columns"]["events"]["event_type"] == "event_type"
    assert data.document["statistics"]["event_types"].keys() == {"view"}


def test_a_folder_of_other_folders_is_refused(tmp_path):
    (tmp_path / "events" / "2016").mkdir(parents=True)

    with pytest.raises(BadInput, match=r"holds no files. Of its subfolders \(2016\) only key=value ones are read"):
        prepared(tmp_path / "out", tmp_path / "events", None)


@pytest.mark.parametrize("write", [separated, json_lines, lambda rows: gzip.compress(separated(rows))])
def test_a_pipe(tmp_path, expected, write):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(write(EVENTS)))
    writer.start()
    result = prepared(tmp_path / "out", tmp_path / "pipe", pa.Table.from_pylist(ITEMS))
    writer.join()

    assert result == expected


PUBLIC = {
    "REES46": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    "2019-10-01 00:00:00 UTC,view,{item},1,a.b,x,5.5,7,{session}\n",
    "RetailRocket": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,{session},view,{item},\n",
    "Yoochoose": "Session ID,Timestamp,Item ID,Category\n{session},2014-04-07T10:51:09.277Z,{item},0\n",
    "OTTO": "session,aid,ts,type\n{session},{item},1659304800025,clicks\n",
    "Diginetica": "session_id;user_id;item_id;timeframe;eventdate\n{session};NA;{item};526309;2016-05-09\n",
    "RecBole": "session_id:token\titem_id:token\ttimestamp:float\n{session}\t{item}\t1433221332.0\n",
    "MovieLens": "userId,movieId,rating,timestamp\n{session},{item},4.0,964982703\n",
}


@pytest.mark.parametrize("schema", PUBLIC)
def test_public_files_are_read_as_they_are(tmp_path, schema):
    header, row = PUBLIC[schema].splitlines(keepends=True)
    rows = [row.format(session=100 + session, item=item) for session in range(10) for item in (1, 2, 3)]
    path = tmp_path / "events.csv"
    path.write_text(header + "".join(rows))

    data = hiersrec.prepare(path, split="random:0.2", progress=False)

    sessions = [session for split in plain(data).values() for _, session in split]
    assert sessions == [[1, 2, 3]] * 10


def test_the_two_tables_name_their_items_differently(tmp_path, expected):
    listed = pa.Table.from_pylist(ITEMS)
    listed = listed.rename_columns(["sku" if name == "item_id" else name for name in listed.column_names])

    def without_names(result):
        return {name: value for name, value in result.items() if name != "catalog/columns.json"}

    result = prepared(tmp_path / "out", pa.Table.from_pylist(EVENTS), listed, items_item_id="sku")
    assert without_names(result) == without_names(expected)
    with pytest.raises(BadInput, match=r"Name the column with --items-item-id"):
        prepared(tmp_path / "other", pa.Table.from_pylist(EVENTS), listed)


def test_a_separator_that_no_header_shows(tmp_path, expected):
    for name, rows in (("events", EVENTS), ("items", ITEMS)):
        (tmp_path / f"{name}.csv").write_bytes(separated(rows, "^"))
    paths = tmp_path / "events.csv", tmp_path / "items.csv"

    result = prepared(tmp_path / "out", *paths, separator="^")

    named = json.loads(result.pop("catalog/columns.json"))
    assert named.pop("separator") == "^"
    assert result == {name: value for name, value in expected.items() if name != "catalog/columns.json"}


def test_what_is_not_used_is_told(capsys):
    hiersrec.prepare(pa.Table.from_pylist([{**row, "price": 5} for row in EVENTS]), split="fraction:0.25")

    assert "events column price: not used" in capsys.readouterr().err


LISTS = {
    "views": lambda values: pa.array(values.to_pylist(), pa.list_view(pa.string())),
    "large": lambda values: values.cast(pa.large_list(pa.large_string())),
    "of views": lambda values: values.cast(pa.list_(pa.string_view())),
    "of dictionaries": lambda values: pa.ListArray.from_arrays(values.offsets, values.values.dictionary_encode()),
}


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("kind", LISTS)
def test_every_arrow_type_of_lists(tmp_path, kind, as_file):
    tags = pa.array([["red", "large"] if item % 2 else ["red"] for item in range(12)])
    results = []
    for name, column in (("plain", tags), ("other", LISTS[kind](tags))):
        table = pa.table({"item_id": [row["item_id"] for row in ITEMS], "tags": column})
        path = tmp_path / f"{name}.parquet"
        if as_file:
            pq.write_table(table, path)
        given = path if as_file else table
        results.append(prepared(tmp_path / name, pa.Table.from_pylist(EVENTS), given, ignore=()))

    assert results[0] == results[1]
    assert b"large" in results[0]["catalog/features/tags.json"]


def test_bytes_that_are_no_text_stay_what_they_are(tmp_path):
    table = pa.table(
        {"item_id": [row["item_id"] for row in ITEMS], "image": [b"\xff\xd8"] * 12, "colour": [b"red"] * 12}
    )
    pq.write_table(table, tmp_path / "items.parquet")

    data = hiersrec.prepare(pa.Table.from_pylist(EVENTS), tmp_path / "items.parquet", split="fraction:0.25")

    assert [feature.name for feature in data.catalog.features] == ["colour"]
