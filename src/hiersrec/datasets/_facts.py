"""What every dataset module says about itself, and what several of them need."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.prepare import columns, files


@dataclass(frozen=True)
class Facts:
    """Where a dataset is from, and what must come out of it."""

    title: str
    url: str
    licence: str
    citation: str
    expected: dict[str, int]
    """Entries of `statistics` in dataset.json, exactly."""


def need_folder(folder: Path | None, name: str, facts: Facts) -> Path:
    """The folder of a dataset that is not shipped. Raises BadInput, saying where to get it."""
    if folder is None:
        raise BadInput(
            f"The dataset {name} is not part of hiersrec ({facts.licence}). Get its files from {facts.url} "
            f"and give their folder as EVENTS."
        )
    return folder


def need_files(folder: Path, names: tuple[str, ...], what: str) -> list[Path]:
    """Files of a folder. Raises BadInput that names the first one that is missing."""
    for name in names:
        if not (folder / name).is_file():
            there = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
            raise BadInput(f"{folder} is not a folder of {what}: there is no {name}. {did_you_mean(name, there)}")
    return [folder / name for name in names]


def copy_columns(path: Path, wanted: dict[str, str], scratch: Path, separator: str = ",") -> Path:
    """Stream columns of a CSV file, under new names and as text, with their row number (int64), into Parquet.

    `wanted` is new name -> name in the file, compared without case and underscores, for publishers change them between
    releases. Raises BadInput if one is missing.
    """
    names = files.schema(path, separator).names
    plain = {columns.bare(name).replace("_", ""): name for name in names}
    for name in wanted.values():
        if name.lower().replace("_", "") not in plain:
            raise BadInput(f"{path} has no column '{name}'. {did_you_mean(name, names)}")
    taken = {new: plain[old.lower().replace("_", "")] for new, old in wanted.items()}
    out = scratch / f"{path.stem}.columns.parquet"
    schema = pa.schema([("row", pa.int64()), *((new, pa.string()) for new in taken)])
    row = 0
    with pq.ParquetWriter(out, schema) as writer:
        for batch in files.batches(path, list(taken.values()), separator):
            found = {new: batch.column(batch.schema.get_field_index(old)) for new, old in taken.items()}
            number = pa.array(np.arange(row, row + len(batch), dtype=np.int64))
            writer.write_batch(pa.RecordBatch.from_pydict({"row": number, **found}, schema=schema))
            row += len(batch)
    return out
