"""Precomputed vectors, such as image embeddings: a column of lists, or a .npy file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import is_list, is_number
from hiersrec.types import Float32

NEEDS = "lists of numbers, all of one length, or come from a file by --vectors NAME=FILE.npy"
OPTION = "vectors"
SHOWN = False


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --vectors."""
    return metadata.vector_columns


def fits(type_: pa.DataType) -> bool:
    """Lists of numbers that are not decimals."""
    return is_list(type_) and is_number(type_.value_type) and not pa.types.is_decimal(type_.value_type)


def read(name: str, file: Path, rows: int) -> pa.ChunkedArray:
    """A .npy file of (rows, W) numbers as a column of float32 lists. Raises BadInput if it holds anything else."""
    try:
        array = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{file}, named by --vectors, is not a .npy file of numbers. Write one with numpy.save(file, array)."
        ) from error
    if not isinstance(array, np.ndarray):
        raise BadInput(f"{file}, named by --vectors, holds several arrays. Give a .npy file, which holds one.")
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise BadInput(
            f"{file}, named by --vectors, holds {array.dtype} of shape {array.shape}. It must hold numbers of shape "
            f"(rows, width): a row for each row of the items table."
        )
    if len(array) != rows:
        raise BadInput(
            f"{file}, named by --vectors {name}, has {len(array):,} rows, the items table {rows:,}. "
            f"Give a row for each row of the items table, in its order; zeros for an item without a vector."
        )
    flat = pa.array(_float32(array).ravel())
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, array.shape[1])])


def fit(values: list[Float32 | None]) -> Codebook:
    """Codebook of vectors of one width, None where missing: "width" W. Raises BadInput if there are none."""
    for value in values:
        if value is not None:
            return {"width": len(value)}
    raise BadInput("no item of the catalogue has a vector. Give vectors other than zeros, or leave the column out.")


def apply(codebook: Codebook, values: list[Float32 | None]) -> Float32:
    """(M, W) float32: the vectors scaled to length 1; zeros where missing. Raises BadInput if they are not W wide."""
    vectors = np.zeros((len(values), codebook["width"]), np.float32)
    for row, value in enumerate(values):
        if value is not None:
            if len(value) != codebook["width"]:
                raise BadInput(
                    f"vectors of {len(value)} numbers, where the catalogue has {codebook['width']}. "
                    f"Give vectors made in the same way."
                )
            vectors[row] = value / np.linalg.norm(value.astype(np.float64))
    return vectors


def plain(name: str, column: pa.ChunkedArray, item: Callable[[int], str]) -> list[Float32 | None]:
    """Rows of a list column as views; None for null, empty and all-zero ones. `item(row)` names a row in errors.

    Raises BadInput if the rows are not of one length, or hold numbers that are not finite.
    """
    rows: list[Float32 | None] = []
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.list_value_length(chunk), 0).to_numpy()
        flat = _float32(chunk.flatten().to_numpy(zero_copy_only=False))  # without null lists
        ends = np.cumsum(lengths)
        rows += [flat[end - length : end] if length else None for length, end in zip(lengths, ends, strict=True)]
    width = next((len(row) for row in rows if row is not None), 0)
    for number, row in enumerate(rows):
        if row is None:
            continue
        if len(row) != width:
            raise BadInput(
                f"Metadata column '{name}': {item(number)} has a vector of {len(row)} numbers, those before it have "
                f"{width}. Give vectors of one length; null or zeros for an item without a vector."
            )
        if not np.isfinite(row).all():
            raise BadInput(
                f"Metadata column '{name}': the vector of {item(number)} holds {row[~np.isfinite(row)][0]}. "
                f"Numbers must be finite: correct it, or give null for an item without a vector."
            )
    return [row if row is not None and row.any() else None for row in rows]


def _float32(numbers: npt.NDArray[Any]) -> Float32:
    with np.errstate(over="ignore"):  # too large numbers become infinite, which `plain` refuses
        return numbers.astype(np.float32, copy=False)
