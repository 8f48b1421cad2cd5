"""What a machine that runs the Ibis expressions of this folder can do.

Everything else here is Ibis, so DuckDB (on_duckdb.py) and Spark (on_spark.py) run the same expressions; no other file
names one of them. Tables are Parquet files of a scratch folder, so they may be larger than memory.
"""

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from hiersrec.types import Int64

BATCH_ROWS = 1 << 18
"""Rows that are in Python's memory at once while a long table passes through."""


@dataclass(frozen=True)
class Engine(ABC):
    """A connection and the scratch folder it may fill."""

    connection: Any
    scratch: Path

    @abstractmethod
    def read(self, path: Path) -> Any:
        """A Parquet file as an Ibis table."""

    @abstractmethod
    def save(self, path: Path, table: Any) -> Path:
        """Run an expression into one Parquet file, in the expression's order; returns the path."""

    @abstractmethod
    def arrow(self, table: Any) -> pa.Table:
        """Rows of an expression, for tables that are small: a row per session, item or category.

        Each column is one piece: how it is cut into pieces would show in the bytes of a Parquet file.
        """

    def keep(self, name: str, table: Any) -> Any:
        """Run an expression once and keep its rows, in any order, so that later expressions don't run it again."""
        return self.read(self.save(self.scratch / f"{name}.parquet", table))

    def drop(self, name: str) -> None:
        """Free the disk space of kept rows that nothing needs any more."""
        path = self.scratch / f"{name}.parquet"
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def inside(self, name: str) -> Self:
        """The same engine, working in a new folder of its scratch folder."""
        folder = self.scratch / name
        folder.mkdir()
        return replace(self, scratch=folder)


def numbers(table: pa.Table, column: str) -> Int64:
    """An integer column of an Arrow table as int64."""
    values: Int64 = table[column].to_numpy().astype("int64")
    return values
