"""Metadata of new items, encoded with the codebooks of the catalogue."""

from pathlib import Path

import pyarrow as pa

from hiersrec import plugins
from hiersrec.preparation import codebook
from hiersrec.preparation.encode import apply
from hiersrec.preparation.values import plain
from hiersrec.store.catalog import read_features
from hiersrec.types import Float32, Int32, Say


def encode_new(folder: Path, items: pa.Table, say: Say = lambda _: None) -> dict[str, Int32 | Float32]:
    """Feature of the catalogue in `folder` -> (M, W) tokens or vectors of the M rows of `items`.

    A column that `items` lacks counts as missing for all rows, a value that the codebook lacks as missing. `say` gets a
    line per feature with the number of items that have a known value. Raises BadInput if a column doesn't fit.
    """
    encoded: dict[str, Int32 | Float32] = {}
    with plugins.no_code_from(folder.parent):  # kinds are named by files of a run folder
        for facts in read_features(folder):
            name, kind = facts["name"], facts["kind"]
            has_column = name in items.column_names
            column = items[name] if has_column else pa.chunked_array([pa.nulls(len(items))])
            values = plain(name, kind, column, lambda row: f"row {row + 1} of the new items")
            learnt = codebook.load(folder / "features", name)
            encoded[name] = apply(name, kind, learnt, values, lambda text: say(f"add-items: {text}"))
            known = int(encoded[name].any(axis=1).sum())
            note = "" if has_column else ": the table has no such column"
            say(f"add-items: {known:,} of {len(items):,} new items have known metadata '{name}'{note}")
    return encoded
