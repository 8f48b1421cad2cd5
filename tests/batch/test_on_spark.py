"""Spark gives the rows that one machine gives, and its tasks need no more than a light install and PyArrow."""

import gc
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hiersrec
from hiersrec.batch import blocks
from tests.batch.conftest import toy_sessions
from tests.preparation.test_engines import SUBMIT_ARGS

HEAVY = ("torch", "ibis", "duckdb", "pandas", "scipy", "pyspark", "hiersrec.preparation.engines")


def test_what_tasks_and_processes_import_is_light() -> None:
    code = "import sys, hiersrec.batch.on_spark, hiersrec.batch.worker\n"
    code += f"sys.stdout.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning")  # PySpark leaves those of an ended thread open
def test_rows_are_those_of_one_machine(toy_bundle, tmp_path, monkeypatch) -> None:
    if not shutil.which("java"):
        pytest.skip("there is no Java on this machine, which Spark needs")
    monkeypatch.setattr(blocks, "BLOCK", 9)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", SUBMIT_ARGS)
    events = [
        {"session_id": number, "item_id": item, "timestamp": 1_600_000_000 + place}
        for number, session in enumerate(toy_sessions(60))
        for place, item in reversed(list(enumerate(session)))
    ]
    pq.write_table(pa.Table.from_pylist(events), tmp_path / "events.parquet")
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"

    hiersrec.recommend(toy_bundle, tmp_path / "events.parquet", out=here, workers=1, progress=False)
    hiersrec.recommend(toy_bundle, tmp_path / "events.parquet", out=there, engine="local-spark", progress=False)

    assert there.read_bytes() == here.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"events.parquet", here.name, there.name}
    gc.collect()
