"""Text as vectors without a pretrained model: TF-IDF over known words, then truncated SVD.

Latent semantic indexing (Deerwester et al. 1990). An item's weight of word w is count(w) * idf(w), with
idf(w) = ln((1 + n) / (1 + n_w)) + 1 where n items have text and n_w of them hold w; a row of weights has length 1.
These are scikit-learn's TfidfVectorizer and TruncatedSVD, written out because what they learn must be stored as plain
arrays: nothing here is pickled.
"""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.features._words import MIN_WORD_ITEMS, words
from hiersrec.preparation.settings import TFIDF, Metadata
from hiersrec.preparation.values import is_scalar
from hiersrec.types import Float32, Float64

if TYPE_CHECKING:
    from scipy import sparse

WIDTH = 64
"""Numbers of a vector; the width of metadata in the default recipe."""
NEEDS = "text"
OPTION = "text-vectors"
fits = is_scalar
EPSILON = 1e-6
"""Singular values below this fraction of the largest one are rounding errors."""


def columns(metadata: Metadata) -> tuple[str, ...]:
    """Named by --text-vectors, without a model."""
    return metadata.text_vectors if metadata.text_encoder == TFIDF else ()


def fit(values: list[str | None], width: int = WIDTH) -> Codebook:
    """Codebook of N texts, None where missing.

    "words" that at least `MIN_WORD_ITEMS` items hold, sorted; "idf" (words,) float64; "components" (W, words) float32,
    best first; W is `width`, or less if words or items limit the rank. Raises BadInput if no word is left.
    """
    from sklearn.utils.extmath import randomized_svd  # takes a second to import

    texts = [set(words(value)) for value in values if value is not None]
    num_items = Counter(word for text in texts for word in text)
    known = sorted(word for word, count in num_items.items() if count >= MIN_WORD_ITEMS)
    if not known:
        raise BadInput(
            f"{len(texts):,} items have text, but no word occurs in {MIN_WORD_ITEMS} of them, so the texts don't tell "
            f"what items share. Leave the column out with --ignore, or give a model with --text-encoder."
        )
    idf = np.log((1 + len(texts)) / (1 + np.array([num_items[word] for word in known], np.float64))) + 1
    weights = _weights(known, idf, values)
    _, singular, components = randomized_svd(weights, min(width, *weights.shape), n_iter=5, random_state=0)
    kept = components[singular > EPSILON * singular[0]]
    return {"words": known, "idf": idf, "components": kept.astype(np.float32)}


def apply(codebook: Codebook, values: list[str | None]) -> Float32:
    """(M, W) float32: a vector of length 1 for each text, zeros where it is missing or holds no known word."""
    weights = _weights(codebook["words"], codebook["idf"], values)
    vectors: Float64 = weights @ codebook["components"].T.astype(np.float64)  # (M, W)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > EPSILON, vectors / np.maximum(length, EPSILON), 0).astype(np.float32)


def _weights(known: list[str], idf: Float64, values: list[str | None]) -> "sparse.csr_array":
    """TF-IDF of M texts, (M, words) float64: rows have length 1, or are zero where no word is known."""
    from scipy import sparse

    index = {word: column for column, word in enumerate(known)}
    counts = [Counter(index[word] for word in words(value or "") if word in index) for value in values]
    offsets = np.cumsum([0, *map(len, counts)])
    columns = np.fromiter((column for row in counts for column in row), np.int64, offsets[-1])
    weights = np.fromiter((count for row in counts for count in row.values()), np.float64, offsets[-1]) * idf[columns]
    rows = np.repeat(np.arange(len(values)), np.diff(offsets))
    length = np.sqrt(np.bincount(rows, weights=weights**2, minlength=len(values)))
    return sparse.csr_array((weights / length[rows], columns, offsets), shape=(len(values), len(known)))
