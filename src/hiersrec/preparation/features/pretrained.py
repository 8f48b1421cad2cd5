"""Text as vectors of a pretrained sentence-transformers encoder, in the optional extra `text`.

Reimers and Gurevych, Sentence-BERT, EMNLP 2019. The model is a folder on this machine; nothing is ever downloaded, and
weights are read only from safetensors, so no code of the folder runs.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadInput, MissingExtra
from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.settings import TFIDF, Metadata
from hiersrec.preparation.values import is_scalar
from hiersrec.types import Float32

NEEDS = "text"
OPTION = "text-vectors"
SETTINGS = ("text_encoder",)
REPORTS_PROGRESS = True
fits = is_scalar
CHUNK = 2048
"""Texts between two reports of progress; the library sorts each chunk by length and splits it into batches."""


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --text-vectors, with the model of --text-encoder."""
    return () if metadata.text_encoder == TFIDF else metadata.text_vectors


def fit(values: list[str | None], model: str) -> Codebook:
    """Codebook of N texts, None where missing: "model", the absolute folder, and "width" W of its vectors.

    Raises BadInput if no item has text or `model` is not a model folder, MissingExtra without sentence-transformers.
    """
    if all(value is None for value in values):
        raise BadInput("no item of the catalogue has text. Leave the column out with --ignore.")
    folder = str(Path(model).resolve())
    return {"model": folder, "width": len(_encode(folder, ["width"])[0])}


def apply(codebook: Codebook, values: list[str | None], progress: Callable[[int, int], None] | None = None) -> Float32:
    """(M, W) float32: a vector of length 1 for each text, zeros where it is missing.

    `progress` gets (texts done, all texts) after each chunk. Raises what `fit` raises, and BadInput if the folder now
    holds a model of another width.
    """
    encoded = np.zeros((len(values), codebook["width"]), np.float32)
    filled = np.flatnonzero([value is not None for value in values])
    for start in range(0, len(filled), CHUNK):
        rows = filled[start : start + CHUNK]
        vectors = _encode(codebook["model"], [str(values[row]) for row in rows])
        if vectors.shape[1] != encoded.shape[1]:
            raise BadInput(
                f"the model in {codebook['model']} gives vectors of {vectors.shape[1]} numbers, but this column was "
                f"encoded with one of {encoded.shape[1]}. Put that model back, or prepare the dataset again."
            )
        encoded[rows] = vectors
        if progress:
            progress(start + len(rows), len(filled))
    return encoded


def _encode(folder: str, texts: list[str]) -> Float32:
    """(M, W) float32: the model's vectors, at length 1."""
    vectors: Float32 = _load(folder).encode(texts, show_progress_bar=False).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


@lru_cache(maxsize=1)
def _load(folder: str) -> Any:
    """The model, read once for `fit` and `apply`."""
    if not (Path(folder) / "modules.json").is_file():
        reason = "has no modules.json" if Path(folder).is_dir() else "does not exist on this machine"
        raise BadInput(
            f"a text encoder must be the local folder of a sentence-transformers model, got {folder}, which {reason}. "
            "Nothing is downloaded: give --text-encoder a local path, such as one that "
            "SentenceTransformer('NAME').save_pretrained('FOLDER') wrote elsewhere."
        )
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "text") from error
    disable_progress_bar()  # it would draw one while it reads the weights
    try:
        return SentenceTransformer(folder, local_files_only=True, model_kwargs={"use_safetensors": True})
    except Exception as error:  # JSON, tokenizer and weights each raise their own errors
        raise BadInput(
            f"the text encoder in {folder} can't be read: {str(error).splitlines()[0]} Save the model there again."
        ) from error
