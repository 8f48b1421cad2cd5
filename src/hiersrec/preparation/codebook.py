"""What `fit` learnt, on disk: features/NAME.json with the kind and all plain values, NAME.KEY.npy for each array."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.store.json_form import file_name, read_json
from hiersrec.types import Int32

Codebook = dict[str, Any]
"""Name -> JSON value or numpy array."""


def save(folder: Path, name: str, kind: str, codebook: Codebook) -> None:
    """Write a codebook. Raises BadInput if another column has files of that name, also if only the case differs."""
    arrays = {key: value for key, value in codebook.items() if isinstance(value, np.ndarray)}
    plain = {key: value for key, value in codebook.items() if key not in arrays}
    files = [folder / f"{name}.json", *(folder / f"{name}.{key}.npy" for key in arrays)]
    if any(file.exists() for file in [*files, folder / f"{name}.npy"]):
        raise BadInput(
            f"The metadata column '{name}' would overwrite a file of another column. "
            f"Rename it, or leave it out with --ignore."
        )
    text = json.dumps({"kind": kind, "arrays": sorted(arrays), **plain}, ensure_ascii=False)
    files[0].write_text(text + "\n", encoding="utf-8")
    for key, value in arrays.items():
        np.save(folder / f"{name}.{key}.npy", value)


def load(folder: Path, name: str) -> Codebook:
    """Read a codebook that `save` wrote."""
    path, way_out = folder / f"{name}.json", "Prepare the dataset and train again."
    document: dict[str, Any] = read_json(path, {"kind": str, "arrays": [str]}, way_out)
    plain = {key: value for key, value in document.items() if key not in ("kind", "arrays")}
    keys = [file_name(key, path, way_out) for key in document["arrays"]]
    return plain | {key: np.load(folder / f"{name}.{key}.npy") for key in keys}


def padded(rows: list[list[int]], width: int) -> Int32:
    """The first `width` tokens of each of M rows, right-padded with 0: (M, W) int32."""
    tokens = np.zeros((len(rows), width), np.int32)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row[:width]
    return tokens
