"""The machine that runs the Ibis expressions of this folder. The only file that names DuckDB.

Everything else here is Ibis, so that another engine (Spark) can run the same expressions. Tables are
Parquet files of a scratch folder, where the engine also spills, so they may be larger than memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from hiersrec.types import Int64

BATCH_ROWS = 1 << 18
"""Rows that are in Python's memory at once while a long table passes through."""


@dataclass(frozen=True)
class Engine:
    """A connection and the scratch folder it may fill."""

    connection: Any
    scratch: Path

    def read(self, path: Path) -> Any:
        """A Parquet file as an Ibis table."""
        return self.connection.read_parquet(path)

    def keep(self, name: str, table: Any) -> Any:
        """Run an expression once and keep its rows, so that later expressions don't run it again."""
        return self.read(self.save(self.scratch / f"{name}.parquet", table))

    def save(self, path: Path, table: Any) -> Path:
        """Run an expression into a Parquet file, in the expression's order; returns the path."""
        self.connection.to_parquet(table, path)
        return path

    def drop(self, name: str) -> None:
        """Free the disk space of kept rows that nothing needs any more."""
        (self.scratch / f"{name}.parquet").unlink()


@contextmanager
def open_engine(scratch: Path) -> Iterator[Engine]:
    """An engine that works and spills in `scratch`, closed on leaving."""
    spill = scratch / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection = ibis.duckdb.connect(temp_directory=str(spill))
    try:
        yield Engine(connection, scratch)
    finally:
        connection.disconnect()


def arrow(table: Any) -> pa.Table:
    """Rows of an expression as Arrow, for tables that are small: a row per session, item or category."""
    return table.to_pyarrow()


def numbers(table: pa.Table, column: str) -> Int64:
    """An integer column of an Arrow table as int64."""
    values: Int64 = table[column].to_numpy().astype("int64")
    return values
