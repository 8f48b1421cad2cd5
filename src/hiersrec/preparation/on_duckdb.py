"""DuckDB as the engine: in this process, on all cores, spilling into the scratch folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from hiersrec.preparation.engine import Engine


@dataclass(frozen=True)
class DuckDB(Engine):
    """A DuckDB connection that holds only views."""

    def read(self, path: Path) -> Any:
        return self.connection.read_parquet(path)

    def save(self, path: Path, table: Any) -> Path:
        self.connection.to_parquet(table, path)
        return path

    def arrow(self, table: Any) -> pa.Table:
        return table.to_pyarrow().combine_chunks()


@contextmanager
def open_duckdb(scratch: Path) -> Iterator[DuckDB]:
    """DuckDB that spills into `scratch`, closed on exit."""
    spill = scratch / "spill"
    spill.mkdir()
    # Only an expression's own order matters, as with Spark; not to preserve any other saves memory.
    connection = ibis.duckdb.connect(temp_directory=str(spill), preserve_insertion_order=False)
    try:
        yield DuckDB(connection, scratch)
    finally:
        connection.disconnect()
