"""Spark as the engine: on this machine, or on a cluster.

Spark writes rows to Parquet files in the scratch folder, and Python reads them a batch at a time: neither Java nor
Python ever holds a whole table of events. So all machines of a cluster must share that folder.
"""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.preparation.engine import BATCH_ROWS, Engine
from hiersrec.preparation.spark_session import file_uri, open_session
from hiersrec.types import Say


@dataclass(frozen=True)
class Spark(Engine):
    """A Spark session; `keep` writes folders of Parquet files, one file per Spark task."""

    session: Any

    def read(self, path: Path) -> Any:
        name = f"rows_{uuid.uuid4().hex}"
        self.session.read.parquet(file_uri(path, is_pattern=True)).createTempView(name)
        return self.connection.table(name)

    def keep(self, name: str, table: Any) -> Any:
        path = self.scratch / f"{name}.parquet"
        self._run(table, path)
        return self.read(path)

    def save(self, path: Path, table: Any) -> Path:
        parts, schema = path.with_suffix(".parts"), _schema(table)
        self._run(table, parts)
        with pq.ParquetWriter(path, schema) as writer:
            for batch in _batches(parts, schema):
                writer.write_batch(batch)
        shutil.rmtree(parts)
        return path

    def arrow(self, table: Any) -> pa.Table:
        parts, schema = self.scratch / "arrow.parts", _schema(table)
        self._run(table, parts)
        rows = pa.Table.from_batches(_batches(parts, schema), schema).combine_chunks()
        shutil.rmtree(parts)
        return rows

    def _run(self, table: Any, folder: Path) -> None:
        self.connection.to_parquet(table, file_uri(folder))


def _schema(table: Any) -> pa.Schema:
    """The columns that Ibis promises, all nullable as in DuckDB's files."""
    return pa.schema([(field.name, field.type) for field in table.schema().to_pyarrow()])


def _batches(parts: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a table that Spark wrote; its files are numbered in row order."""
    for part in sorted(parts.glob("part-*")):
        with pq.ParquetFile(part) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS):
                yield batch.cast(schema)  # Spark numbers rows in int32, where Ibis and DuckDB say int64


@contextmanager
def open_spark(master: str, scratch: Path, say: Say) -> Iterator[Spark]:
    """Spark at `master`: local[...] or spark://HOST:PORT. Raises MissingExtra and HiersrecError, see open_session()."""
    with open_session(master, scratch, say) as session:
        yield Spark(ibis.pyspark.connect(session), scratch, session)
