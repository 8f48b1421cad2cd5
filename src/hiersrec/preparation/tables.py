"""Tables that a caller gives, as paths or frames -> files, since all tables are read and checked as files are."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hiersrec import frames
from hiersrec.errors import BadInput, HiersrecError
from hiersrec.types import Frame

Table = str | Path | Frame
"""A file or folder, or a frame: pandas, polars, PyArrow, DuckDB, Ibis, or a DataFrame of Spark."""


@contextmanager
def as_files(tables: Mapping[str, Table], parent: Path | None = None) -> Iterator[dict[str, Path]]:
    """Yield the path of each table by its name; frames are written to Parquet files that are removed at the end.

    parent: a folder for those files, which the machines of a Spark cluster must share. In messages of errors a frame is
    called by its name, as "events.parquet".
    """
    scratch = Path(tempfile.mkdtemp(prefix=".hiersrec-frames-", dir=parent))
    try:
        yield {name: _as_file(name, table, scratch) for name, table in tables.items()}
    except HiersrecError as error:
        if error.args and str(scratch) in str(error):
            error.args = (str(error).replace(f"{scratch}/", ""), *error.args[1:])
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _as_file(name: str, table: Table, scratch: Path) -> Path:
    if isinstance(table, str | Path):
        path = Path(table)
        is_pipe = path.exists() and not (path.is_file() or path.is_dir())
        return _copy_of_pipe(name, path, scratch) if is_pipe or str(path) == STANDARD_INPUT else path
    path = scratch / f"{name}.parquet"
    if is_spark(table):
        return _write_spark(table, path)
    if isinstance(table, Frame):
        return frames.write_frame(table, path)
    raise BadInput(
        f"{name} must be the path of a file or folder, or a frame with __arrow_c_stream__ (of pandas 2.2 or newer, "
        f"polars, PyArrow, DuckDB, Ibis or Spark), got {_called(table)}."
    )


def _called(table: object) -> str:
    """The type of a table in a message, and for a query of polars that was not run the way out."""
    name = type(table).__name__
    return f"a {name}: call its collect() first" if name == "LazyFrame" else f"a {name}"


MAGIC = {b"PAR1": ".parquet", b"\x1f\x8b": ".csv.gz", b"\x28\xb5\x2f\xfd": ".csv.zst", b"{": ".jsonl"}
"""First bytes -> kind of a file without a name; others are CSV."""


STANDARD_INPUT = "/dev/stdin"
"""A pipe, or with `< FILE` that file, whose name is not known."""


def _copy_of_pipe(name: str, pipe: Path, scratch: Path) -> Path:
    """What a pipe such as /dev/stdin gives, as a file of the kind that its first bytes show: files are read twice."""
    with pipe.open("rb") as stream:
        first = stream.read(4)
        kind = next((kind for magic, kind in MAGIC.items() if first.startswith(magic)), ".csv")
        path = scratch / f"{name}{kind}"
        with path.open("wb") as copy:
            copy.write(first)
            shutil.copyfileobj(stream, copy)
    return path


def is_spark(table: object) -> bool:
    """Whether a table is a DataFrame of Spark."""
    return type(table).__module__.startswith("pyspark.sql.")


def _write_spark(table: Any, folder: Path) -> Path:
    """A folder of parts, in the order of the DataFrame's partitions, without the empty ones."""
    import pyarrow.parquet as pq

    table.write.parquet(folder.absolute().as_uri())
    parts = sorted(folder.glob("part-*"))
    empty = [part for part in parts if pq.read_metadata(part).num_rows == 0]
    for part in empty if len(empty) < len(parts) else empty[1:]:
        part.unlink()
    return folder
