"""A Spark session that is there within bounded time, or one clear message that says why not."""

import logging
import os
import re
import shutil
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import HiersrecError, MissingExtra

CONNECT_SECONDS = 10.0
"""For a master to answer."""
WORK_SECONDS = 60.0
"""For the workers of a cluster to take up and finish a first, tiny job."""


def file_uri(path: Path, is_pattern: bool = False) -> str:
    """A path for Spark: a file here, whatever file system the cluster has by default.

    What Spark reads it takes for a pattern, so there the characters of one are escaped.
    """
    text = str(path.absolute())
    return "file://" + (re.sub(r"([\\*?\[\]{}])", r"\\\1", text) if is_pattern else text)


@contextmanager
def session(master: str, scratch: Path, say: Callable[[str], None]) -> Iterator[Any]:
    """A Spark session at `master`, stopped on leaving unless it was there before.

    Raises MissingExtra without PySpark; HiersrecError if Java is missing, if a session at another master runs in this
    process, if the master doesn't answer, or if its workers can't work in `scratch`.
    """
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtra("pyspark", "spark") from error
    there = SparkSession.getActiveSession()
    if there is None and SparkContext._active_spark_context is not None:
        there = SparkSession.builder.getOrCreate()  # begun in another thread, where alone it is "active"
    if there is not None:
        _refuse_other(there.sparkContext.master, master)
        found = there.newSession()  # settings of its own
    else:
        found = _start(master, scratch)
    try:
        if not master.startswith("local"):
            context = found.sparkContext
            say(f"prepare: Spark {context.version} on {master}; its progress: {context.uiWebUrl or 'no page'}")
            _try_workers(found, master, scratch)
        yield found
    finally:
        if there is None:
            found.stop()


def _refuse_other(running: str, asked: str) -> None:
    if running != asked and not (running.startswith("local") and asked.startswith("local")):
        raise HiersrecError(
            f"This process has a Spark session at {running} already, and a process has one: ask for that engine, or "
            f"stop the session before you ask for {asked}."
        )


def _start(master: str, scratch: Path) -> Any:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    logging.getLogger("py4j").addHandler(logging.NullHandler())  # tells what its exceptions tell, on the terminal
    _need_java()
    is_local = master.startswith("local")
    if not is_local:
        _need_answer(master)
    settings = {
        "spark.master": master,
        "spark.app.name": "hiersrec prepare",
        "spark.ui.showConsoleProgress": "false",
    }
    if is_local:  # nobody else needs to reach it, and what doesn't fit in memory goes where there is room
        settings |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.local.dir": str((scratch / "spill").absolute()),
        }
    conf = SparkConf().setAll(list(settings.items()))
    log = scratch / "spark.log"
    try:
        # Java's own news would stand among ours. A process has one Java: a later session finds it there.
        with log.open("wb") as stream, _interrupted_later():
            is_up = SparkContext._gateway is not None
            gateway = None if is_up else launch_gateway(conf, {"stdout": stream, "stderr": stream})
        with _interrupt_kept():
            context = SparkContext(conf=conf, gateway=gateway)
        try:
            context.setLogLevel("ERROR")
            return SparkSession.builder.getOrCreate()
        except Exception:
            context.stop()  # of which Java has given up: the next session in this process is a new one
            raise
    except (PySparkException, Py4JError, OSError) as error:
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line[:1].strip()]  # the others are Java's stack
        raise HiersrecError(
            f"Spark could not be started at {master}: {_first_line(error)} The end of its log: "
            f"{' / '.join(lines[-3:]).rstrip('.') or '(empty)'}. Mend that, or leave out --engine: DuckDB needs no "
            "Java."
        ) from error


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Put off Ctrl-C for a few seconds: a Java that is left while it starts never ends."""
    pressed: list[int] = []
    with _interrupt_kept():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
        yield
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _interrupt_kept() -> Iterator[None]:
    """Put back what Ctrl-C does: PySpark sets an answer of its own, which breaks into the talk with Java and fails."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else None
    if not (java.is_file() if java else shutil.which("java")):
        where = f"JAVA_HOME is {home}, where there is no bin/java" if home else "there is no 'java' on the PATH"
        raise HiersrecError(
            f"Spark needs Java 17 or newer, and {where}. Install a Java runtime (such as the package "
            "openjdk-17-jre-headless), or leave out --engine: DuckDB needs no Java."
        )


def _need_answer(master: str) -> None:
    """Raise HiersrecError if none of the masters in "spark://HOST:PORT,HOST:PORT" takes a connection."""
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
        f"No Spark master answers at {master} ({'; '.join(reasons)}). Start it, check host and port, or take "
        "--engine local-spark."
    )


def _try_workers(session: Any, master: str, scratch: Path) -> None:
    """One row through the cluster and back. Raises HiersrecError if no worker takes it, or none can use `scratch`."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    asked, answer = scratch / "asked.parquet", scratch / "answer.parquet"
    pq.write_table(pa.table({"row": [1]}), asked)
    late, context, tag = threading.Event(), session.sparkContext, uuid.uuid4().hex

    def give_up() -> None:
        late.set()
        context.cancelJobsWithTag(tag)  # a session that was there before may have other jobs

    timer = threading.Timer(WORK_SECONDS, give_up)
    timer.start()
    reason = "what they wrote is not there"
    context.addJobTag(tag)
    try:
        session.read.parquet(file_uri(asked, is_pattern=True)).write.parquet(file_uri(answer))
    except (PySparkException, Py4JError) as error:
        reason = _first_line(error)
    finally:
        timer.cancel()
        context.removeJobTag(tag)
    if late.is_set():
        raise HiersrecError(
            f"No worker of {master} has done a first job within {WORK_SECONDS:g} s. See on the master's page whether "
            "workers are alive, have cores and memory to spare, and can reach this machine."
        )
    if sum(pq.read_metadata(part).num_rows for part in answer.glob("part-*")) != 1:
        raise HiersrecError(
            f"The workers of {master} can't read and write in {scratch.absolute()} ({reason}). --out must lie on "
            "storage that all machines of the cluster share under the same path and may write to."
        )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
