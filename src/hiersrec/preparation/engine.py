"""The interface of the engines, DuckDB (on_duckdb.py) and Spark (on_spark.py), that run this folder's Ibis expressions.

No other file depends on which engine it is. Intermediate tables are Parquet files in a scratch folder, so they may be
larger than memory.
"""

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from hiersrec.types import Int64

BATCH_ROWS = 1 << 18
"""Rows held in Python's memory at once while a long table is streamed."""


@dataclass(frozen=True)
class Engine(ABC):
    """An open connection, and a scratch folder for intermediate tables."""

    connection: Any
    scratch: Path

    @abstractmethod
    def read(self, path: Path) -> Any:
        """A Parquet file as an Ibis table."""

    @abstractmethod
    def save(self, path: Path, table: Any) -> Path:
        """Write an expression's rows into one Parquet file, in its order; returns the path."""

    @abstractmethod
    def arrow(self, table: Any) -> pa.Table:
        """Rows of an expression in memory, for small tables: a row per session, item or category.

        Each column is one chunk: chunks would show in the bytes of a Parquet file.
        """

    def keep(self, name: str, table: Any) -> Any:
        """Run an expression and cache its rows, in any order, so that later expressions don't run it again."""
        return self.read(self.save(self.scratch / f"{name}.parquet", table))

    def drop(self, name: str) -> None:
        """Delete rows that `keep` cached."""
        path = self.scratch / f"{name}.parquet"
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def in_folder(self, name: str) -> Self:
        """The same engine with a new subfolder as its scratch folder."""
        folder = self.scratch / name
        folder.mkdir()
        return replace(self, scratch=folder)


def int64(table: pa.Table, column: str) -> Int64:
    """An integer column of an Arrow table as a numpy array."""
    values: Int64 = table[column].to_numpy().astype("int64")
    return values
