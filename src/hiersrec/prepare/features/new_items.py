"""Items that come after training, encoded as the catalogue's first ones were."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from hiersrec.prepare.features import codebook
from hiersrec.prepare.features.encode import apply
from hiersrec.prepare.features.values import plain
from hiersrec.types import Float32, Int32


def encode_new(
    folder: Path, items: pa.Table, say: Callable[[str], None] = lambda _: None
) -> dict[str, Int32 | Float32]:
    """Feature of the catalogue in `folder` -> (M, W) tokens or vectors of the M rows of `items`.

    Columns go by their names; one that `items` lacks is missing for all of them. Values that the catalogue's items
    don't have are missing too. `say` gets a line a feature: how many items have one that is known. Raises BadInput if
    a column doesn't fit.
    """
    found: dict[str, Int32 | Float32] = {}
    for facts in json.loads((folder / "features.json").read_text(encoding="utf-8")):
        name, kind = facts["name"], facts["kind"]
        there = name in items.column_names
        column = items[name] if there else pa.chunked_array([pa.nulls(len(items))])
        values = plain(name, kind, column, lambda row: f"row {row + 1} of the new items")
        found[name] = apply(
            name, kind, codebook.load(folder / "features", name), values, lambda text: say(f"add-items: {text}")
        )
        filled = int(found[name].any(axis=1).sum())
        note = "" if there else ": the table has no such column"
        say(f"add-items: {filled:,} of {len(items):,} new items have known metadata '{name}'{note}")
    return found
