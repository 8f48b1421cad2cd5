"""Spark and DuckDB make the same folder, byte for byte; what goes wrong with Spark is said in one message."""

import gc
import random
import shlex
import shutil
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import hiersrec
from hiersrec.datasets import diginetica, rees46, wikispeedia
from hiersrec.errors import BadInput, HiersrecError, MissingExtra, UnknownName
from hiersrec.preparation import spark_session
from hiersrec.preparation.engines import check, open_engine
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import Columns, Filters, Metadata, PrepareSettings, SessionRules, SplitSettings
from hiersrec.preparation.source import Source
from tests.cli.conftest import run_process
from tests.datasets import test_rees46
from tests.datasets.test_diginetica import raw_views, write_raw
from tests.preparation.tables import Rows, events, items, write
from tests.preparation.test_formats import json_lines, separated
from tests.shop import write_shop

pytestmark = [pytest.mark.slow, pytest.mark.spark]

SCATTERED = {
    "spark.sql.shuffle.partitions": "3",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Rows of small tables are scattered over several tasks and files, as those of large ones are. Plans are interpreted:
compiling one takes longer than so few rows; the test of the command line compiles."""
SHORT_LIVED = (
    "spark.driver.extraJavaOptions="
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
)
"""A Java that compiles little, as it does so little, collects without threads, and trusts the classes of Spark."""


def submit_args(*settings: str) -> str:
    """The variable PYSPARK_SUBMIT_ARGS, which Java is started by."""
    return shlex.join([*(word for setting in settings for word in ("--conf", setting)), "pyspark-shell"])


SUBMIT_ARGS = submit_args(SHORT_LIVED, *(f"{name}={value}" for name, value in SCATTERED.items()))
"""Of a Java for many tests: a process keeps its first one, and the marker `spark` makes them follow one another."""

NO_JAVA = "there is no Java on this machine, which Spark needs"


def silent(_: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A Spark that is there before `prepare` comes, so that Java starts once."""
    if not shutil.which("java"):
        pytest.skip(NO_JAVA)
    interrupt = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_SUBMIT_ARGS", SUBMIT_ARGS)
        with spark_session.open_session("local[1]", tmp_path_factory.mktemp("spark"), silent) as session:
            assert session.conf.get("spark.sql.shuffle.partitions") == "3"
            yield session
    assert signal.getsignal(signal.SIGINT) is interrupt


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset folder; of its seal all but the time, and the checksum that follows from it."""
    result = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    lines = result["dataset.json"].splitlines()
    kept = [line for line in lines if b'"created"' not in line and b'"seal_sha256"' not in line]
    return {**result, "dataset.json": b"\n".join(kept)}


def same(tmp_path: Path, source: Source, settings: PrepareSettings) -> None:
    """Prepare a source on both engines, and compare."""
    prepare(source, tmp_path / "duckdb", settings, say=silent)
    odd = tmp_path / "a b" / "spark [1] {ü}*"
    prepare(source, odd, settings, engine="local-spark", say=silent)

    expected, result = files_of(tmp_path / "duckdb"), files_of(odd)
    assert set(result) == set(expected)
    assert [name for name in expected if result[name] != expected[name]] == []


IDS = ["b", "B", "a", "a-1", "é", "e\u0301", "Ω", "中", "😀", "\uffff", "10", "9", "a b", "ß", "ss"]
"""Ids whose order depends on how text is compared: by its bytes, here."""


def shop(seed: int) -> tuple[Rows, Rows]:
    """Events full of ties in time, in ten-second steps, and the items."""
    chance = random.Random(seed)  # noqa: S311  (test data)
    events = [
        {
            "user": user,
            "visit": f"{user}{'0' * chance.randrange(2)}{chance.randrange(9)}",
            "item_id": chance.choice(IDS) + chance.choice(["", "x", "é"]),
            "ts": 1_460_000_000_000 + 10_000 * chance.randrange(800),
            "event": chance.choice(["view", "view", "view", "cart", "Öl", None]),
        }
        for user in chance.choices(IDS, k=900)
    ]
    items = [
        {
            "item_id": item_id,
            "category": f"{item_id[0].upper()}/{item_id}" if index % 4 else None,
            "title": f"thing {item_id} {index % 3}",
            "price": str(index / 4) if index % 5 else None,
            "tags": f"{index % 2}|{item_id}",
        }
        for index, item_id in enumerate(IDS + [item_id + "x" for item_id in IDS])
    ]
    return events, items


RULES = {
    "cut by gap": PrepareSettings(
        sessions=SessionRules(gap_seconds=99.5, drop_repeats=True, max_length=9),
        split=SplitSettings(method="fraction", value=0.25, valid="latest", valid_share=0.2, hold_out_items=0.1),
        metadata=Metadata(text=("title",), numeric=("price",), multi=("tags",)),
    ),
    "sessions of types": PrepareSettings(
        columns=Columns(session_id="visit"),
        sessions=SessionRules(event_types=("view", "Öl")),
        filters=Filters(min_item_count=5),
        split=SplitSettings(method="random", value=0.3, seed=2, key="user"),
        metadata=Metadata(text_vectors=("title",), categorical=("tags",)),
    ),
    "users divided": PrepareSettings(
        columns=Columns(session_id="user"),
        filters=Filters(min_item_count=5),
        split=SplitSettings(method="leave_last", value=1),
    ),
}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("rule", RULES)
def test_a_shop_of_odd_ids_and_ties(tmp_path, rule):
    events, items = shop(1)
    if rule == "cut by gap":
        events = [{name: value for name, value in row.items() if name != "visit"} for row in events]
    paths = write(tmp_path / "events.parquet", events), write(tmp_path / "items.csv", items)

    same(tmp_path, Source("shop", *paths), RULES[rule])


def test_wikispeedia_by_the_command_line(tmp_path, monkeypatch):
    if not shutil.which("java"):
        pytest.skip(NO_JAVA)
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", submit_args(SHORT_LIVED))
    words = ["prepare", "--dataset", "wikispeedia", "--out", tmp_path / "spark", "--engine", "local-spark", "--json"]

    made = run_process(*words)

    prepare(wikispeedia.source(), tmp_path / "duckdb", wikispeedia.SETTINGS, say=silent)
    assert made.code == 0, made.err
    assert all(line.startswith("prepare: ") for line in made.err.splitlines())
    assert made.out.encode() == (tmp_path / "spark" / "dataset.json").read_bytes()
    assert files_of(tmp_path / "spark") == files_of(tmp_path / "duckdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["duckdb", "spark"]


@pytest.mark.usefixtures("spark")
def test_raw_files_of_a_public_dataset(tmp_path):
    same(tmp_path, diginetica.source(write_raw(tmp_path / "raw", raw_views())), diginetica.SETTINGS)


@pytest.mark.usefixtures("spark")
def test_monthly_files_of_a_public_dataset(tmp_path):
    same(tmp_path, rees46.source(test_rees46.write(tmp_path / "raw", test_rees46.months())), rees46.SETTINGS)


@pytest.mark.usefixtures("spark")
def test_a_mistake_in_the_data_is_told_alike(tmp_path):
    rows = [{"session_id": 1, "item_id": index, "timestamp": index, "color": index % 2} for index in range(5)]
    settings = PrepareSettings(split=SplitSettings(method="random", value=0.3, key="color"))
    lines = []
    for engine in ("duckdb", "local-spark"):
        source = Source("shop", write(tmp_path / "events.parquet", rows))
        with pytest.raises(BadInput, match="Session '1' has two values of --split-key color: '0' and '1'") as error:
            prepare(source, tmp_path / engine, settings, engine=engine, say=silent)
        lines.append(str(error.value))

    assert lines[0] == lines[1]
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_a_frame_of_spark_goes_to_its_engine(tmp_path, spark, capsys):
    shop = write_shop(tmp_path / "shop")
    tables = [spark.read.csv(str(shop / name), header=True, inferSchema=True) for name in ("events.csv", "items.csv")]

    by_spark = hiersrec.prepare(
        tables[0].repartition(1), tables[1], out=tmp_path / "spark" / "data", split="random:0.2"
    )
    assert "prepare: wrote" in capsys.readouterr().err
    by_duckdb = hiersrec.prepare(shop / "events.csv", shop / "items.csv", out=tmp_path / "data", split="random:0.2")

    assert [path.name for path in by_spark.folder.parent.iterdir()] == ["data"]
    arrays, expected = files_of(by_spark.folder), files_of(by_duckdb.folder)
    del arrays["dataset.json"], expected["dataset.json"]  # which names the files that were read
    assert arrays == expected


FORMATS = {"tsv": "frame of pandas", "jsonl": "csv", "Spark": "pandas", "frame of polars": "polars"}
"""Of the events -> of the items. Parquet events are those of the tests above."""


def in_format(name: str, rows: Rows, path: Path, session: Any) -> Path | pd.DataFrame | pl.DataFrame:
    """Rows as a file at `path`, of a format or written by a library; or as a frame."""
    if name.startswith("frame"):
        return pd.DataFrame(rows) if name.endswith("pandas") else pl.DataFrame(rows)
    if name == "Spark":
        session.createDataFrame(pa.Table.from_pylist(rows)).coalesce(1).write.parquet(str(path))
    elif name == "pandas":
        pd.DataFrame(rows).to_parquet(path := path.with_suffix(".parquet"))
    elif name == "polars":
        pl.DataFrame(rows).write_parquet(path := path.with_suffix(".parquet"))
    else:
        text = json_lines(rows) if name == "jsonl" else separated(rows, "\t" if name == "tsv" else ",")
        (path := path.with_suffix(f".{name}")).write_bytes(text)
    return path


@pytest.fixture(scope="module")
def by_duckdb(tmp_path_factory):
    """The dataset folder of a small shop, without its seal, which names the files that were read."""
    folder = tmp_path_factory.mktemp("expected") / "data"
    tables = pa.Table.from_pylist(events()), pa.Table.from_pylist(items())
    hiersrec.prepare(*tables, out=folder, split="random:0.25", progress=False)
    return {name: content for name, content in files_of(folder).items() if name != "dataset.json"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_makes_the_folder_of_duckdb(tmp_path, spark, by_duckdb, name):
    tables = (
        in_format(name, events(), tmp_path / "events", spark),
        in_format(FORMATS[name], items(), tmp_path / "items", spark),
    )

    hiersrec.prepare(*tables, out=tmp_path / "data", engine="local-spark", split="random:0.25", progress=False)

    result = files_of(tmp_path / "data")
    del result["dataset.json"]
    assert result == by_duckdb


def test_a_session_that_was_there_before_stays_as_it_was(tmp_path, spark):
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    path = write(tmp_path / "rows.parquet", [{"a": 3}, {"a": None}, {"a": 2}])

    with open_engine("local-spark", tmp_path / "scratch", silent) as engine:
        assert engine.session.conf.get("spark.sql.session.timeZone") == "UTC"
        assert engine.arrow(engine.read(path).order_by("a")).to_pydict() == {"a": [2, 3, None]}

    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    assert spark.range(3).count() == 3
    with (
        pytest.raises(HiersrecError, match=r"has a Spark session at local\[1\] already"),
        open_engine("spark://127.0.0.1:1", tmp_path / "scratch", silent),
    ):
        pass


def test_a_session_of_another_thread_is_found(tmp_path, spark):
    def asked() -> bool:
        with spark_session.open_session("local[1]", tmp_path, silent) as result:
            return result.sparkContext is spark.sparkContext

    with ThreadPoolExecutor(1) as other:
        assert other.submit(asked).result()

    assert spark.range(3).count() == 3


@pytest.mark.parametrize("name", ["sparc", "local-spar", "spark://", "spark://host", "spark://host:7077/x", "Duckdb"])
def test_an_engine_that_is_none(tmp_path, name):
    with pytest.raises(UnknownName, match=r"no --engine '.*'\..*Known: duckdb, local-spark, spark://HOST:PORT\."):
        prepare(Source("shop", tmp_path / "no.csv"), tmp_path / "out", PrepareSettings(), engine=name, say=silent)


@pytest.mark.parametrize("name", ["duckdb", "local-spark", "spark://host:7077", "spark://10.0.0.1:1,b.example:7077"])
def test_the_engines_there_are(name):
    check(name)


@pytest.fixture
def fresh(monkeypatch):
    """A process that has no Spark session and no Java yet."""
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setattr("pyspark.SparkContext._active_spark_context", None)
    monkeypatch.setattr("pyspark.SparkContext._gateway", None)
    return monkeypatch


def refused(master: str, tmp_path: Path) -> str:
    with pytest.raises(HiersrecError) as error, spark_session.open_session(master, tmp_path, silent):
        pass
    return str(error.value)


def test_without_pyspark(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[spark\]'"):
        prepare(wikispeedia.source(), tmp_path / "out", wikispeedia.SETTINGS, engine="local-spark", say=silent)
    assert not list(tmp_path.iterdir())


def test_without_java(fresh, tmp_path):
    fresh.delenv("JAVA_HOME", raising=False)
    fresh.setenv("PATH", str(tmp_path))
    assert "needs Java 17 or newer, and there is no 'java' on the PATH. Install" in refused("local[*]", tmp_path)

    fresh.setenv("JAVA_HOME", "/no/java")
    assert "JAVA_HOME is /no/java, where there is no bin/java" in refused("local[*]", tmp_path)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # PySpark leaves the pipe to its Java open
def test_a_java_that_does_not_start(fresh, tmp_path):
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'much too old' >&2\nexit 1\n")
    java.chmod(0o755)
    fresh.setenv("JAVA_HOME", str(tmp_path / "java"))

    message = refused("local[*]", tmp_path)
    gc.collect()

    assert message.startswith("Spark could not be started at local[*]: ")
    assert "The end of its log: much too old" in message
    assert message.count("\n") == 0


def test_masters_that_do_not_answer(fresh, tmp_path):
    fresh.setattr(spark_session, "_check_java", lambda: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    message = refused(f"spark://127.0.0.1:{port},127.0.0.1:999999", tmp_path)

    assert message.startswith(
        f"No Spark master answers at spark://127.0.0.1:{port},127.0.0.1:999999 (127.0.0.1:{port}: "
    )
    assert "127.0.0.1:999999: " in message
    assert "--engine local-spark" in message


def test_workers_that_do_not_share_the_storage(spark, monkeypatch, tmp_path):
    here = spark_session.file_uri
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(spark_session, "file_uri", lambda path, **words: here(tmp_path / "there" / path.name, **words))

    with pytest.raises(HiersrecError, match=r"can't read and write in .*here \(.*PATH_NOT_FOUND.* --out must be on"):
        spark_session._try_workers(spark, "spark://host:1", tmp_path / "here")


def test_workers_that_write_to_storage_of_their_own(spark, monkeypatch, tmp_path):
    here = spark_session.file_uri
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(
        spark_session,
        "file_uri",
        lambda path, **words: here(path if words else tmp_path / "there" / path.name, **words),
    )

    with pytest.raises(HiersrecError, match=r"can't read and write in .*here \(the file they wrote is missing\)"):
        spark_session._try_workers(spark, "spark://host:1", tmp_path / "here")


def test_workers_that_do_not_come(spark, monkeypatch, tmp_path):
    monkeypatch.setattr(spark_session, "WORK_SECONDS", 0.0)

    with pytest.raises(HiersrecError, match=r"No worker of spark://host:1 has finished a first job within 0 s"):
        spark_session._try_workers(spark, "spark://host:1", tmp_path)


def test_workers_that_work(spark, tmp_path):
    spark_session._try_workers(spark, "spark://host:1", tmp_path)
