"""Frames of other libraries, in and out."""

import duckdb
import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.errors import BadInput, HiersrecError
from hiersrec.frames import MOST_ROWS, read_frame, to_arrow, to_frame, to_html, write_frame

COLUMNS = {"item_id": ["a", "b", None], "price": [1.5, None, 3.0], "count": [1, 2, 3]}
TABLE = pa.table(COLUMNS)


def frames_of(table: pa.Table) -> dict[str, object]:
    """The same rows as frames of every library that is tested."""
    return {
        "pyarrow": table,
        "pandas": table.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": pl.from_arrow(table),
        "duckdb": duckdb.from_arrow(table),
        "ibis": ibis.memtable(table),
        "reader": table.to_reader(),
    }


@pytest.mark.parametrize("library", frames_of(TABLE))
def test_the_rows_of_every_library_are_read_alike(library, tmp_path) -> None:
    frame = frames_of(TABLE)[library]

    path = write_frame(frame, tmp_path / "events.parquet")

    assert pq.read_table(path).to_pydict() == COLUMNS
    assert pq.read_schema(path).field("item_id").type == pa.string()


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (pa.array(["a", "b", "a"]).dictionary_encode(), pa.string()),
        (pa.array(["a", "b", "a"], pa.string_view()), pa.string()),
        (pa.array(["a", "b", "a"], pa.large_string()), pa.string()),
        (pa.array([["a"], [], None], pa.large_list(pa.string_view())), pa.list_(pa.string())),
        (pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float64(), 2)), pa.list_(pa.float64(), 2)),
        (pa.array([1, 2, 3], pa.uint64()), pa.uint64()),
        (pa.array([{"a": "x"}, None], pa.struct({"a": pa.string_view()})), pa.struct({"a": pa.string()})),
    ],
)
def test_views_and_dictionaries_become_plain_values(given, plain) -> None:
    table = read_frame(pa.table({"x": given})).read_all()

    assert table.schema.field("x").type == plain
    assert table["x"].to_pylist() == given.to_pylist()


def test_an_index_without_a_name_is_no_column_and_one_with_a_name_is() -> None:
    frame = pd.DataFrame({"item_id": ["a", "b"]}, index=[7, 3])

    assert read_frame(frame).schema.names == ["item_id"]
    assert set(read_frame(frame.rename_axis("session_id")).schema.names) == {"item_id", "session_id"}


def test_a_column_of_mixed_types_is_refused() -> None:
    with pytest.raises(BadInput, match=r"A DataFrame can't be converted to Arrow: .*values of one type"):
        read_frame(pd.DataFrame({"item_id": ["a", 1, 2.5]}))


def test_columns_become_a_table_and_a_frame_of_the_library_named() -> None:
    assert to_arrow(COLUMNS).equals(TABLE)
    assert to_frame(COLUMNS, "polars").equals(pl.DataFrame(COLUMNS))
    pd.testing.assert_frame_equal(to_frame(COLUMNS, "pandas"), pd.DataFrame(COLUMNS))
    assert type(to_frame(COLUMNS)) is pd.DataFrame


def test_without_pandas_a_frame_is_of_polars_and_without_both_an_error_says_so(monkeypatch) -> None:
    import importlib.util

    installed = {"polars"}
    find = importlib.util.find_spec

    def find_installed(name: str) -> object:
        return find(name) if name in installed or name not in ("pandas", "polars") else None

    monkeypatch.setattr("importlib.util.find_spec", find_installed)
    assert type(to_frame(COLUMNS)) is pl.DataFrame
    with pytest.raises(HiersrecError, match="A frame needs pandas, which is not installed"):
        to_frame(COLUMNS, "pandas")
    installed.clear()
    with pytest.raises(HiersrecError, match="A frame needs pandas or polars, which is not installed"):
        to_frame(COLUMNS)


def test_another_library_is_refused() -> None:
    with pytest.raises(BadInput, match=r"not of 'panda'. Did you mean 'pandas'\?"):
        to_frame(COLUMNS, "panda")


def test_html_is_escaped_and_bounded() -> None:
    text = to_html("A & B", ("name", "value"), [("<b>", str(np.int64(1)))] * (MOST_ROWS + 2), ["a < b"])

    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert text.count("<tr>") == MOST_ROWS + 1
    assert "2 more rows" in text
    assert "A &amp; B" in text
    assert "a &lt; b" in text


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (pl.Series(["a", None, "a"], dtype=pl.Categorical), pa.string()),
        (pl.Series(["a", None, "b"], dtype=pl.Enum(["a", "b"])), pa.string()),
        (pl.Series([["a", "b"], None, [], ["b"]], dtype=pl.List(pl.Categorical)), pa.list_(pa.string())),
        (pl.Series([[["a"], []], [], None], dtype=pl.List(pl.List(pl.Categorical))), pa.list_(pa.list_(pa.string()))),
    ],
)
def test_categories_of_polars_become_text(given, plain) -> None:
    for part in (given, given[1:]):  # a slice has an offset
        table = read_frame(pl.DataFrame({"x": part})).read_all()

        assert table.schema.field("x").type == plain
        assert table["x"].to_pylist() == part.to_list()


def failing_rows():
    yield TABLE.to_batches()[0]
    raise RuntimeError("the network is gone")


def closed() -> object:
    connection = duckdb.connect()
    relation = connection.sql("select 1 as x")
    connection.close()
    return relation


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.Series([1]), "A Series is one column.*to_frame"),
        (pl.Series([1]), "A Series is one column.*to_frame"),
        (pa.table([[1], [2]], ["x", "x"]), "A Table has several columns 'x'"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "Duplicate column names.*a name of its own"),
        (pa.RecordBatchReader.from_batches(TABLE.schema, failing_rows()), "can't be read: .*the network is gone"),
        (closed(), "can't be converted to Arrow: Connection Error"),
    ],
)
def test_a_frame_that_cannot_be_read_is_one_error(frame, message) -> None:
    with pytest.raises(BadInput, match=message):
        read_frame(frame).read_all()


def test_a_batch_without_rows_is_not_the_end() -> None:
    batch = pa.RecordBatch.from_pydict({"item": [1, 2]})

    rows = read_frame(pa.RecordBatchReader.from_batches(batch.schema, [batch, batch.slice(0, 0), batch]))

    assert rows.read_all()["item"].to_pylist() == [1, 2, 1, 2]
