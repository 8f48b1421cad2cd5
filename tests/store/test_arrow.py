"""Reading without pandas gives what pyarrow's own ways give."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.store.arrow import numbers, read_parquet, take

TABLE = pa.table({"number": pa.array([3, 1, 2], pa.int32()), "text": ["c", None, "b"]})


def test_a_file_is_read_as_a_whole(tmp_path) -> None:
    pq.write_table(TABLE, tmp_path / "table.parquet", row_group_size=2)

    assert read_parquet(tmp_path / "table.parquet").equals(TABLE)
    assert read_parquet(tmp_path / "table.parquet", memory_map=True).equals(TABLE)


def test_rows_are_taken_of_tables_and_columns() -> None:
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    rows = np.array([2, 0, 2], np.int32)

    assert take(chunked, rows).equals(TABLE.take(pa.array(rows)))
    assert take(chunked["text"], rows[::-1]).to_pylist() == ["b", "c", "b"]
    assert take(chunked["text"], rows[:0]).to_pylist() == []


def test_numbers_are_those_of_all_chunks() -> None:
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])

    assert numbers(chunked["number"]).tolist() == [3, 1, 2]
    assert numbers(chunked["number"]).dtype == np.int32
    assert numbers(chunked["number"].slice(0, 0)).tolist() == []


def test_a_catalogue_is_opened_without_pandas(toy_run) -> None:
    code = (
        "import sys; from pathlib import Path; from hiersrec.store.catalog import Catalog; "
        "catalog = Catalog.open(Path(sys.argv[1])); catalog.item_nodes, catalog.train_count, "
        "catalog.to_external(catalog.item_nodes[:1, 0] + 1); sys.exit('pandas' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code, toy_run / "catalog"], check=False).returncode == 0
