"""DuckDB as the engine: inside this process, on all of its cores, spilling into the scratch folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from hiersrec.prepare.engine import Engine


@dataclass(frozen=True)
class DuckDB(Engine):
    """An open connection to a DuckDB that keeps nothing but views."""

    def read(self, path: Path) -> Any:
        """See Engine."""
        return self.connection.read_parquet(path)

    def save(self, path: Path, table: Any) -> Path:
        """See Engine."""
        self.connection.to_parquet(table, path)
        return path

    def arrow(self, table: Any) -> pa.Table:
        """See Engine."""
        return table.to_pyarrow().combine_chunks()


@contextmanager
def open_duckdb(scratch: Path) -> Iterator[DuckDB]:
    """DuckDB that spills in `scratch`, closed on leaving."""
    spill = scratch / "spill"
    spill.mkdir()
    # Rows keep the order that an expression gives them, and no other: that saves memory, and Spark keeps none either.
    connection = ibis.duckdb.connect(temp_directory=str(spill), preserve_insertion_order=False)
    try:
        yield DuckDB(connection, scratch)
    finally:
        connection.disconnect()
