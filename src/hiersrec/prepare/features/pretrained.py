"""Text as a vector by a pre-trained encoder of sentence-transformers, in the optional extra `text`.

Reimers and Gurevych, Sentence-BERT, EMNLP 2019. The model is a folder on this machine; nothing is ever downloaded, and
weights are read from safetensors alone, so no code of the folder runs.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadInput, MissingExtra
from hiersrec.prepare.features.codebook import Codebook
from hiersrec.types import Float32

CHUNK = 2048
"""Texts between two words of progress; the library sorts each chunk by length and cuts it into batches."""


def fit(values: list[str | None], model: str) -> Codebook:
    """Learn nothing from N texts, None where missing: "model", the absolute folder, and "width" W of its vectors.

    Raises BadInput if no item has text or `model` is no folder of a model, MissingExtra without sentence-transformers.
    """
    if all(value is None for value in values):
        raise BadInput("no item of the catalogue has text. Leave the column out with --ignore.")
    folder = str(Path(model).resolve())
    return {"model": folder, "width": len(_encode(folder, ["width"])[0])}


def apply(codebook: Codebook, values: list[str | None], progress: Callable[[int, int], None] | None = None) -> Float32:
    """(M, W) float32: a vector of length 1 for each text, zeros where it is missing.

    `progress` is told (texts done, all texts) now and then. Raises BadInput and MissingExtra as `fit` does, BadInput
    also if the folder now holds a model of another width.
    """
    found = np.zeros((len(values), codebook["width"]), np.float32)
    filled = np.flatnonzero([value is not None for value in values])
    for start in range(0, len(filled), CHUNK):
        rows = filled[start : start + CHUNK]
        vectors = _encode(codebook["model"], [str(values[row]) for row in rows])
        if vectors.shape[1] != found.shape[1]:
            raise BadInput(
                f"the model in {codebook['model']} gives vectors of {vectors.shape[1]} numbers, but this column was "
                f"encoded with one of {found.shape[1]}. Put that model back, or prepare the dataset anew."
            )
        found[rows] = vectors
        if progress:
            progress(start + len(rows), len(filled))
    return found


def _encode(folder: str, texts: list[str]) -> Float32:
    """(M, W) float32 vectors of length 1, as the model gives them."""
    vectors: Float32 = _load(folder).encode(texts, show_progress_bar=False).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


@lru_cache(maxsize=1)
def _load(folder: str) -> Any:
    """The model, read once for `fit` and `apply`."""
    if not (Path(folder) / "modules.json").is_file():
        what = "a folder without modules.json" if Path(folder).is_dir() else "no folder of this machine"
        raise BadInput(
            f"a text encoder must be the local folder of a sentence-transformers model, got {folder}, which is {what}. "
            "Nothing is downloaded: give --text-encoder a local path, such as one that "
            "SentenceTransformer('NAME').save_pretrained('FOLDER') wrote elsewhere."
        )
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "text") from error
    disable_progress_bar()  # type: ignore[no-untyped-call]  # it draws one even for a file that is read in a moment
    try:
        return SentenceTransformer(folder, local_files_only=True, model_kwargs={"use_safetensors": True})
    except Exception as error:  # whatever the files hold: JSON, a tokenizer, weights, each with errors of its own
        raise BadInput(
            f"the text encoder in {folder} can't be read: {str(error).splitlines()[0]} Save the model there anew."
        ) from error
