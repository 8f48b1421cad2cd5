"""The engines, by the name that `prepare --engine` takes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hiersrec.errors import UnknownName, did_you_mean
from hiersrec.preparation.engine import Engine
from hiersrec.preparation.on_duckdb import open_duckdb
from hiersrec.types import Say

DUCKDB = "duckdb"
LOCAL_SPARK = "local-spark"
SPARK = re.compile(r"spark://[^\s/:,]+:\d+(,[^\s/:,]+:\d+)*")
"""Address of a Spark cluster: one master, or several for high availability."""


def check(name: str) -> None:
    """Raise UnknownName if there is no engine of that name."""
    if name not in (DUCKDB, LOCAL_SPARK) and not SPARK.fullmatch(name):
        near = did_you_mean(name, (DUCKDB, LOCAL_SPARK, "spark://HOST:PORT"))
        raise UnknownName(f"There is no --engine '{name}'. {near}")


def master_of(name: str) -> str:
    """What Spark calls the engine of a name."""
    return "local[*]" if name == LOCAL_SPARK else name


def engine_of(table: Any) -> str:
    """The engine that a DataFrame of Spark belongs to."""
    master = str(table.sparkSession.sparkContext.master)
    return LOCAL_SPARK if master.startswith("local") else master


@contextmanager
def open_engine(name: str, scratch: Path, say: Say) -> Iterator[Engine]:
    """An engine that works and spills in `scratch`, closed on exit.

    `name` is "duckdb", "local-spark" or "spark://HOST:PORT"; raises UnknownName for any other. Raises MissingExtra
    without PySpark, and HiersrecError if Spark can't be started or reached.
    """
    check(name)
    scratch.mkdir(parents=True, exist_ok=True)
    if name == DUCKDB:
        with open_duckdb(scratch) as engine:
            yield engine
    else:
        from hiersrec.preparation.on_spark import open_spark  # takes a second to import

        with open_spark(master_of(name), scratch, say) as engine:
            yield engine
