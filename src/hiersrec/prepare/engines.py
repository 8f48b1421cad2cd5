"""Which engines there are, by the name that `prepare --engine` takes."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hiersrec.errors import UnknownName, did_you_mean
from hiersrec.prepare.engine import Engine
from hiersrec.prepare.on_duckdb import open_duckdb

DUCKDB = "duckdb"
LOCAL_SPARK = "local-spark"
SPARK = re.compile(r"spark://[^\s/:,]+:\d+(,[^\s/:,]+:\d+)*")
"""Address of a Spark cluster: one master, or several that stand in for one another."""


def check(name: str) -> None:
    """Raise UnknownName if there is no engine of that name."""
    if name not in (DUCKDB, LOCAL_SPARK) and not SPARK.fullmatch(name):
        near = did_you_mean(name, (DUCKDB, LOCAL_SPARK, "spark://HOST:PORT"))
        raise UnknownName(f"There is no --engine '{name}'. {near}")


@contextmanager
def open_engine(name: str, scratch: Path, say: Callable[[str], None]) -> Iterator[Engine]:
    """An engine that works and spills in `scratch`, closed on leaving.

    `name` is "duckdb", "local-spark" or "spark://HOST:PORT". Raises UnknownName for another one; for Spark,
    MissingExtra and HiersrecError if it can't be started or reached.
    """
    check(name)
    scratch.mkdir(parents=True, exist_ok=True)
    if name == DUCKDB:
        with open_duckdb(scratch) as engine:
            yield engine
    else:
        from hiersrec.prepare.on_spark import open_spark  # takes a second to import

        with open_spark("local[*]" if name == LOCAL_SPARK else name, scratch, say) as engine:
            yield engine
