"""Reading Arrow tables without pandas, whose import takes longer than all that is read to answer one session.

pyarrow imports it, where it is installed, to look at what comes from Python, and in pyarrow.parquet.read_table.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from hiersrec.types import Int32, Int64

if TYPE_CHECKING:
    import pyarrow as pa  # whoever serves a bundle need not have it

Rows = TypeVar("Rows", "pa.Table", "pa.ChunkedArray")


def read_parquet(path: Path, *, memory_map: bool = False) -> "pa.Table":
    """All rows and columns of a file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=memory_map) as file:
        return file.read()


def take(table: Rows, rows: Int32 | Int64) -> Rows:
    """Rows (K,) from 0 of a table or a column."""
    import pyarrow as pa

    buffer = pa.py_buffer(rows.astype("int64", order="C", copy=False))
    return table.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, buffer]))


def numbers(column: "pa.ChunkedArray") -> npt.NDArray[Any]:
    """Values of a column of numbers without nulls, read-only."""
    return np.from_dlpack(column.combine_chunks())
