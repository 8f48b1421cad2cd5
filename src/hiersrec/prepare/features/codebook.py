"""What `fit` learnt, on disk: features/NAME.json holds the plain values and the kind, NAME.KEY.npy each array."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.types import Int32

Codebook = dict[str, Any]
"""Name -> JSON value or numpy array."""


def save(folder: Path, name: str, kind: str, codebook: Codebook) -> None:
    """Write a codebook. Raises BadInput if the files of another column have that name, also but for case."""
    arrays = {key: value for key, value in codebook.items() if isinstance(value, np.ndarray)}
    plain = {key: value for key, value in codebook.items() if key not in arrays}
    files = [folder / f"{name}.json", *(folder / f"{name}.{key}.npy" for key in arrays)]
    if any(file.exists() for file in [*files, folder / f"{name}.npy"]):
        raise BadInput(
            f"The metadata column '{name}' would take a file of another column. "
            f"Rename it, or leave it out with --ignore."
        )
    text = json.dumps({"kind": kind, "arrays": sorted(arrays), **plain}, ensure_ascii=False)
    files[0].write_text(text + "\n", encoding="utf-8")
    for key, value in arrays.items():
        np.save(folder / f"{name}.{key}.npy", value)


def load(folder: Path, name: str) -> Codebook:
    """Read a codebook as `fit` gave it."""
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    plain = {key: value for key, value in document.items() if key not in ("kind", "arrays")}
    return plain | {key: np.load(folder / f"{name}.{key}.npy") for key in document["arrays"]}


def padded(rows: list[list[int]], width: int) -> Int32:
    """The first `width` tokens of each of M rows -> (M, W) int32, then 0."""
    found = np.zeros((len(rows), width), np.int32)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row[:width]
    return found
