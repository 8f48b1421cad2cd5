"""One metadata column -> its feature and its codebook, by a member of features/."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec import registry
from hiersrec.errors import BadInput, BadPlugin
from hiersrec.preparation.codebook import Codebook
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import FOLDER, plain
from hiersrec.store.catalog import Feature
from hiersrec.types import Float32, Int32, Say


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
    member = registry.load(FOLDER, kind)
    settings = [getattr(metadata, setting) for setting in getattr(member, "SETTINGS", ())]
    codebook: Codebook = _named(name, lambda: member.fit(values, *settings))
    rows = apply(name, kind, codebook, values, say)
    padding = np.zeros((1, rows.shape[1]), rows.dtype)
    vocabulary = member.vocabulary(codebook) if hasattr(member, "vocabulary") else 0
    coverage = sum(value is not None for value in values) / len(values)
    return Encoded(Feature(name, kind, vocabulary, coverage, np.concatenate([padding, rows])), codebook)


def apply(name: str, kind: str, codebook: Codebook, values: list[Any], say: Say) -> Int32 | Float32:
    """(M, W) tokens or vectors of M values. Raises BadInput if they don't fit the codebook.

    A kind that is slow reports its progress to `say`.
    """

    def progress(done: int, total: int) -> None:
        say(f"encoded {done:,} of {total:,} texts of '{name}'")

    member = registry.load(FOLDER, kind)
    extra = (progress,) if getattr(member, "REPORTS_PROGRESS", False) else ()
    encoded: Int32 | Float32 = _named(name, lambda: member.apply(codebook, values, *extra))
    expected = np.int32 if hasattr(member, "vocabulary") else np.float32
    if encoded.ndim != 2 or len(encoded) != len(values) or encoded.dtype != expected:
        raise BadPlugin(
            f"The kind '{kind}' must give {np.dtype(expected)} of shape ({len(values)}, width) for these values, "
            f"got {encoded.dtype} of shape {encoded.shape}. Correct `apply` of {member.__name__}."
        )
    return encoded


def _named(name: str, call: Callable[[], Any]) -> Any:
    """Add the column's name to errors of the modules, which don't know it."""
    try:
        return call()
    except BadInput as error:
        raise BadInput(f"Metadata column '{name}': {error}") from error
