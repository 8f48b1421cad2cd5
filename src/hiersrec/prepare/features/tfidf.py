"""Text as a vector that needs no download: TF-IDF over known words, then the directions that explain most of it (SVD).

Latent semantic indexing (Deerwester et al. 1990). An item's weight of word w is count(w) * idf(w), with
idf(w) = ln((1 + n) / (1 + n_w)) + 1 over the n items with text, n_w of which hold w; a row of weights has length 1.
These are scikit-learn's TfidfVectorizer and TruncatedSVD, written out because what they learn must lie on disk as plain
arrays: nothing here is unpickled.
"""

from collections import Counter

import numpy as np
from scipy import sparse

from hiersrec.errors import BadInput
from hiersrec.prepare.features.codebook import Codebook
from hiersrec.prepare.features.text import MIN_WORD_ITEMS, words
from hiersrec.types import Float32, Float64

WIDTH = 64
"""Numbers of a vector: as wide as the default recipe's metadata."""
LEAST = 1e-6
"""A direction whose singular value is a smaller part of the greatest one is rounding, not data."""


def fit(values: list[str | None], width: int = WIDTH) -> Codebook:
    """Learn from N texts, None where missing.

    "words" that `MIN_WORD_ITEMS` items hold, in sorted order; "idf" (words,) float64; "components" (W, words) float32,
    best first, W being `width`, or less where words or items have no more. Raises BadInput if no word is left.
    """
    from sklearn.utils.extmath import randomized_svd  # takes a second to import

    split = [set(words(value)) for value in values if value is not None]
    items_with = Counter(word for one in split for word in one)
    known = sorted(word for word, items in items_with.items() if items >= MIN_WORD_ITEMS)
    if not known:
        raise BadInput(
            f"{len(split):,} items have text, but no word stands in {MIN_WORD_ITEMS} of them, so the texts say nothing "
            f"of what items share. Leave the column out with --ignore, or give a model with --text-encoder."
        )
    idf = np.log((1 + len(split)) / (1 + np.array([items_with[word] for word in known], np.float64))) + 1
    weights = _weights(known, idf, values)
    _, strength, components = randomized_svd(weights, min(width, *weights.shape), n_iter=5, random_state=0)
    kept = components[strength > LEAST * strength[0]]
    return {"words": known, "idf": idf, "components": kept.astype(np.float32)}


def apply(codebook: Codebook, values: list[str | None]) -> Float32:
    """(M, W) float32: a vector of length 1 for each text, zeros where it is missing or says nothing known."""
    weights = _weights(codebook["words"], codebook["idf"], values)
    found: Float64 = weights @ codebook["components"].T.astype(np.float64)  # (M, W)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(length > LEAST, found / np.maximum(length, LEAST), 0).astype(np.float32)


def _weights(known: list[str], idf: Float64, values: list[str | None]) -> sparse.csr_array:
    """TF-IDF of M texts: (M, words) float64, each row of length 1, or of zeros where no word is known."""
    place = {word: at for at, word in enumerate(known)}
    counts = [Counter(place[word] for word in words(value or "") if word in place) for value in values]
    ends = np.cumsum([0, *map(len, counts)])
    columns = np.fromiter((at for one in counts for at in one), np.int64, ends[-1])
    numbers = np.fromiter((count for one in counts for count in one.values()), np.float64, ends[-1]) * idf[columns]
    row = np.repeat(np.arange(len(values)), np.diff(ends))
    length = np.sqrt(np.bincount(row, weights=numbers**2, minlength=len(values)))
    return sparse.csr_array((numbers / length[row], columns, ends), shape=(len(values), len(known)))
