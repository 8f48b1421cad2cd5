"""One metadata column -> its feature and its codebook. A kind is named after its module in this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.preparation.features.codebook import Codebook
from hiersrec.preparation.features.values import plain
from hiersrec.preparation.settings import Metadata
from hiersrec.store.catalog import Feature
from hiersrec.types import Float32, Int32, Say

TOKENS = ("categorical", "multi", "text", "numeric")
VECTORS = ("vector", "tfidf", "pretrained")


@dataclass(frozen=True)
class Encoded:
    """A feature of the catalogue, and the codebook that encoded it."""

    feature: Feature
    codebook: Codebook

    def facts(self) -> dict[str, Any]:
        """For the statistics: "width" is W, "cut" the number of items with more tokens than W."""
        facts = {key: getattr(self.feature, key) for key in ("name", "kind", "coverage", "vocabulary")}
        return facts | {"width": int(self.feature.values.shape[1]), "cut": self.codebook.get("cut", 0)}


def encode(
    name: str, kind: str, column: pa.ChunkedArray, metadata: Metadata, item: Callable[[int], str], say: Say
) -> Encoded:
    """Fit a codebook to a column of N items, and encode it. `item(row)` names a row in errors.

    Raises BadInput if the column doesn't fit its kind.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise BadInput(
            f"The metadata column '{name}' can't be part of a file name. Rename it, or leave it out with --ignore."
        )
    values = plain(name, kind, column, item)
    settings = {"multi": (metadata.multi_separator,), "pretrained": (metadata.text_encoder,)}.get(kind, ())
    codebook: Codebook = _named(name, lambda: _module(kind).fit(values, *settings))
    rows = apply(name, kind, codebook, values, say)
    padding = np.zeros((1, rows.shape[1]), rows.dtype)
    vocabulary = _module(kind).vocabulary(codebook) if kind in TOKENS else 0
    coverage = sum(value is not None for value in values) / len(values)
    return Encoded(Feature(name, kind, vocabulary, coverage, np.concatenate([padding, rows])), codebook)


def apply(name: str, kind: str, codebook: Codebook, values: list[Any], say: Say) -> Int32 | Float32:
    """(M, W) tokens or vectors of M values. Raises BadInput if they don't fit the codebook.

    A kind that is slow reports its progress to `say`.
    """

    def progress(done: int, total: int) -> None:
        say(f"encoded {done:,} of {total:,} texts of '{name}'")

    extra = (progress,) if kind == "pretrained" else ()
    encoded: Int32 | Float32 = _named(name, lambda: _module(kind).apply(codebook, values, *extra))
    return encoded


def _module(kind: str) -> ModuleType:
    """The module of a kind, imported on use: scikit-learn imports slowly, sentence-transformers slower still."""
    assert kind in (*TOKENS, *VECTORS)
    return import_module(f"hiersrec.preparation.features.{kind}")


def _named(name: str, call: Callable[[], Any]) -> Any:
    """Add the column's name to errors of the modules, which don't know it."""
    try:
        return call()
    except BadInput as error:
        raise BadInput(f"Metadata column '{name}': {error}") from error
