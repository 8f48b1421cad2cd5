"""The facts that every dataset module declares, and helpers that several modules use."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.preparation import columns, files


@dataclass(frozen=True)
class Facts:
    """Source of a dataset, and its published counts."""

    title: str
    url: str
    licence: str
    citation: str
    expected: dict[str, int]
    """Entries of `statistics` in dataset.json that must be met exactly; empty where no test has the files."""


def need_folder(folder: Path | None, name: str, facts: Facts) -> Path:
    """`folder` itself. Raises BadInput with the source of the dataset if it is None."""
    if folder is None:
        raise BadInput(
            f"The dataset {name} is not part of hiersrec ({facts.licence}). Get its files from {facts.url} "
            f"and give their folder as EVENTS."
        )
    return folder


def need_files(folder: Path, names: tuple[str, ...], dataset: str) -> list[Path]:
    """Paths of files in a folder. Raises BadInput with the first one that is missing."""
    for name in names:
        if not (folder / name).is_file():
            existing = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
            raise BadInput(f"{folder} is not a folder of {dataset}: there is no {name}. {did_you_mean(name, existing)}")
    return [folder / name for name in names]


def copy_columns(path: Path, names: dict[str, str], scratch: Path, separator: str = ",") -> Path:
    """Copy columns of a CSV file as text into a Parquet file, under new names and with the row number (int64).

    `names` is new name -> name in the file; case and underscores don't matter, because publishers change them between
    releases. Raises BadInput if a column is missing.
    """
    existing = files.schema(path, separator).names
    normalized = {columns.bare(column).replace("_", ""): column for column in existing}
    column_of = {}
    for new, name in names.items():
        key = name.lower().replace("_", "")
        if key not in normalized:
            raise BadInput(f"{path} has no column '{name}'. {did_you_mean(name, existing)}")
        column_of[new] = normalized[key]
    out = scratch / f"{path.stem}.columns.parquet"
    schema = pa.schema([("row", pa.int64()), *((new, pa.string()) for new in column_of)])
    start = 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in files.batches(path, list(column_of.values()), separator):
            values = {new: batch.column(batch.schema.get_field_index(name)) for new, name in column_of.items()}
            row = pa.array(np.arange(start, start + len(batch), dtype=np.int64))
            writer.write_batch(pa.RecordBatch.from_pydict({"row": row, **values}, schema=schema))
            start += len(batch)
    return out
