"""A Spark session that opens within bounded time, or one clear message why it can't."""

import logging
import os
import re
import shutil
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import HiersrecError, MissingExtra
from hiersrec.types import Say

CONNECT_SECONDS = 10.0
"""Timeout of a connection to a master."""
WORK_SECONDS = 60.0
"""Timeout of a first, tiny job on the workers of a cluster."""


def file_uri(path: Path, is_pattern: bool = False) -> str:
    """A local path as a URI for Spark, whose default file system may be another.

    Spark takes paths to read for glob patterns: set `is_pattern` there, to escape their special characters.
    """
    text = str(path.absolute())
    return "file://" + (re.sub(r"([\\*?\[\]{}])", r"\\\1", text) if is_pattern else text)


@contextmanager
def open_session(master: str, scratch: Path, say: Say) -> Iterator[Any]:
    """A Spark session at `master`, stopped on exit unless it existed before.

    Raises MissingExtra without PySpark; HiersrecError if Java is missing, if a session at another master runs in this
    process, if the master doesn't answer, or if its workers can't use `scratch`.
    """
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtra("pyspark", "spark") from error
    existing = SparkSession.getActiveSession()
    if existing is None and SparkContext._active_spark_context is not None:
        existing = SparkSession.builder.getOrCreate()  # begun in another thread, and "active" only there
    if existing is not None:
        running = existing.sparkContext.master
        if running != master and not (running.startswith("local") and master.startswith("local")):
            raise HiersrecError(
                f"This process has a Spark session at {running} already, and it can have only one, so --engine "
                f"{master} can't start. Use that engine, or stop the session first."
            )
        session = existing.newSession()  # with its own settings
    else:
        session = _start(master, scratch)
    try:
        if not master.startswith("local"):
            context = session.sparkContext
            say(f"prepare: Spark {context.version} on {master}; its progress: {context.uiWebUrl or 'no page'}")
            _try_workers(session, master, scratch)
        yield session
    finally:
        if existing is None:
            session.stop()


def _start(master: str, scratch: Path) -> Any:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    logging.getLogger("py4j").addHandler(logging.NullHandler())  # it would print what its exceptions say
    _check_java()
    is_local = master.startswith("local")
    if not is_local:
        _check_master(master)
    settings = {"spark.master": master, "spark.app.name": "hiersrec prepare", "spark.ui.showConsoleProgress": "false"}
    if is_local:  # nobody else needs to reach it, and it spills where there is room
        settings |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.local.dir": str((scratch / "spill").absolute()),
        }
    conf = SparkConf().setAll(list(settings.items()))
    log = scratch / "spark.log"
    try:
        # Java would print its log among our lines. A process has one Java: later sessions use it again.
        with log.open("wb") as stream, _delayed_interrupt():
            is_up = SparkContext._gateway is not None
            gateway = None if is_up else launch_gateway(conf, {"stdout": stream, "stderr": stream})
        with _restored_interrupt():
            context = SparkContext(conf=conf, gateway=gateway)
        try:
            context.setLogLevel("ERROR")
            return SparkSession.builder.getOrCreate()
        except Exception:
            context.stop()  # so that the next session of this process starts a new one
            raise
    except (PySparkException, Py4JError, OSError) as error:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line[:1].strip()]  # without Java's stack traces
        raise HiersrecError(
            f"Spark could not be started at {master}: {_first_line(error)} The end of its log: "
            f"{' / '.join(lines[-3:]).rstrip('.') or '(empty)'}. Fix that, or leave out --engine: DuckDB needs no "
            "Java."
        ) from error


@contextmanager
def _delayed_interrupt() -> Iterator[None]:
    """Delay Ctrl-C while Java starts: a Java that is abandoned during its start never ends."""
    pressed: list[int] = []
    with _restored_interrupt():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
        yield
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _restored_interrupt() -> Iterator[None]:
    """Restore the handler of Ctrl-C: PySpark installs one that interrupts its calls to Java and fails."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _check_java() -> None:
    """Raise HiersrecError if there is no Java."""
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else None
    if not (java.is_file() if java else shutil.which("java")):
        where = f"JAVA_HOME is {home}, where there is no bin/java" if home else "there is no 'java' on the PATH"
        raise HiersrecError(
            f"Spark needs Java 17 or newer, and {where}. Install a Java runtime (such as the package "
            "openjdk-17-jre-headless), or leave out --engine: DuckDB needs no Java."
        )


def _check_master(master: str) -> None:
    """Raise HiersrecError if none of the masters in "spark://HOST:PORT,HOST:PORT" accepts a connection."""
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, port = address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            reasons.append(f"{address}: {error}")
        else:
            return
    raise HiersrecError(
        f"No Spark master answers at {master} ({'; '.join(reasons)}). Start it, check host and port, or use "
        "--engine local-spark."
    )


def _try_workers(session: Any, master: str, scratch: Path) -> None:
    """Copy one row on the cluster. Raises HiersrecError if no worker takes the job, or none can use `scratch`."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    source, copy = scratch / "probe.parquet", scratch / "probe_copy.parquet"
    pq.write_table(pa.table({"row": [1]}), source)
    timed_out, context, tag = threading.Event(), session.sparkContext, uuid.uuid4().hex

    def give_up() -> None:
        timed_out.set()
        context.cancelJobsWithTag(tag)  # a session that existed before may have other jobs

    timer = threading.Timer(WORK_SECONDS, give_up)
    timer.start()
    reason = "the file they wrote is missing"
    context.addJobTag(tag)
    try:
        session.read.parquet(file_uri(source, is_pattern=True)).write.parquet(file_uri(copy))
    except (PySparkException, Py4JError) as error:
        reason = _first_line(error)
    finally:
        timer.cancel()
        context.removeJobTag(tag)
    if timed_out.is_set():
        raise HiersrecError(
            f"No worker of {master} has finished a first job within {WORK_SECONDS:g} s. See on the master's page "
            "whether workers are alive, have free cores and memory, and can reach this machine."
        )
    if sum(pq.read_metadata(part).num_rows for part in copy.glob("part-*")) != 1:
        raise HiersrecError(
            f"The workers of {master} can't read and write in {scratch.absolute()} ({reason}). --out must be on "
            "storage that all machines of the cluster share under the same path and may write to."
        )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
