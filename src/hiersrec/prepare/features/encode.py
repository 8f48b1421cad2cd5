"""One metadata column -> its feature and what was learnt for it. A kind is the name of its module in this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.prepare.features.codebook import Codebook
from hiersrec.prepare.features.values import plain
from hiersrec.prepare.settings import Metadata
from hiersrec.store.catalog import Feature
from hiersrec.types import Float32, Int32

Say = Callable[[str], None]
TOKENS = ("categorical", "multi", "text", "numeric")
VECTORS = ("vector", "tfidf", "pretrained")


@dataclass(frozen=True)
class Encoded:
    """A feature of the catalogue, and the codebook that gave it."""

    feature: Feature
    codebook: Codebook

    def facts(self) -> dict[str, Any]:
        """For the statistics: `width` numbers or tokens of an item, `cut` items with more tokens than are kept."""
        one = self.feature
        shown = {"name": one.name, "kind": one.kind, "coverage": one.coverage, "vocabulary": one.vocabulary}
        return shown | {"width": int(one.values.shape[1]), "cut": self.codebook.get("cut", 0)}


def encode(
    name: str, kind: str, column: pa.ChunkedArray, metadata: Metadata, item: Callable[[int], str], say: Say
) -> Encoded:
    """Learn from a column of N items and encode it. `item(row)` names a row in errors; `say` as in `apply`.

    Coverage is the share of items with a value. Raises BadInput if the column doesn't fit its kind.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise BadInput(f"The metadata column '{name}' can't name a file. Rename it, or leave it out with --ignore.")
    values = plain(name, kind, column, item)
    codebook = _named(name, lambda: _fit(kind, values, metadata))
    rows = apply(name, kind, codebook, values, say)
    padding = np.zeros((1, rows.shape[1]), rows.dtype)
    vocabulary = _module(kind).vocabulary(codebook) if kind in TOKENS else 0
    coverage = sum(value is not None for value in values) / len(values)
    return Encoded(Feature(name, kind, vocabulary, coverage, np.concatenate([padding, rows])), codebook)


def apply(name: str, kind: str, codebook: Codebook, values: list[Any], say: Say) -> Int32 | Float32:
    """(M, W) tokens or vectors of M values. Raises BadInput if they don't fit what was learnt.

    `say` gets a line now and then from the one kind that is slow.
    """

    def progress(done: int, of: int) -> None:
        say(f"encoded {done:,} of {of:,} texts of '{name}'")

    slow = (progress,) if kind == "pretrained" else ()
    found: Int32 | Float32 = _named(name, lambda: _module(kind).apply(codebook, values, *slow))
    return found


def _fit(kind: str, values: list[Any], metadata: Metadata) -> Codebook:
    settings = {"multi": (metadata.multi_separator,), "pretrained": (metadata.text_encoder,)}
    found: Codebook = _module(kind).fit(values, *settings.get(kind, ()))
    return found


def _module(kind: str) -> ModuleType:
    """Imported when met: scikit-learn is slow to import, sentence-transformers slower and optional."""
    assert kind in (*TOKENS, *VECTORS)
    return import_module(f"hiersrec.prepare.features.{kind}")


def _named(name: str, call: Callable[[], Any]) -> Any:
    """Modules of kinds know no names: their errors get the column's."""
    try:
        return call()
    except BadInput as error:
        raise BadInput(f"Metadata column '{name}': {error}") from error
