"""Items table + vocabulary -> the catalogue folder of store/catalog.py."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.errors import BadInput
from hiersrec.prepare import features, tree
from hiersrec.prepare.items import ItemsTable
from hiersrec.prepare.settings import Settings
from hiersrec.store.catalog import Feature


@dataclass(frozen=True)
class Written:
    """What was written: for the statistics."""

    categories: list[int]
    """Known nodes per level."""
    features: list[Feature]
    display: list[str]
    absent: int
    """Items of the catalogue that the items table lacks."""
    extra: int
    """Rows of the items table that are not in the catalogue."""


def write_catalog(
    folder: Path, vocabulary: pa.Table, items: ItemsTable | None, settings: Settings, say: Callable[[str], None]
) -> Written:
    """Write the catalogue folder: `vocabulary` has item_id, item, train_count in the order of item."""
    ids = vocabulary["item_id"]
    if items is None:
        items = ItemsTable(ids.slice(0, 0), [], pa.table({}), {})
    row_of = {one: row for row, one in enumerate(items.ids.to_pylist())}
    rows = [row_of.get(one) for one in ids.to_pylist()]
    depth = len(items.paths[0]) if items.paths else 0
    built = tree.build([(None,) * depth if row is None else items.paths[row] for row in rows])
    others = items.others.take(pa.array(rows, pa.int64())) if items.others.num_columns else pa.table({})
    kinds = features.kinds(others, settings.metadata, say)
    encoded = [
        features.encode(name, kind, others[name].to_pylist()) for name, kind in kinds.items() if kind != "display"
    ]
    table = pa.table({"item": vocabulary["item"], "item_id": ids, "train_count": vocabulary["train_count"]})
    for level in range(built.depth):
        table = table.append_column(f"node_{level + 1}", pa.array(built.item_nodes[:, level]))
    for level in range(built.depth):
        table = table.append_column(f"category_{level + 1}", pa.array(built.item_names[level], pa.string()))
    for name in others.column_names:
        if name in table.column_names:
            raise BadInput(
                f"The items table has a column '{name}', a name that hiersrec needs itself. Rename or --ignore it."
            )
        table = table.append_column(name, others[name])
    folder.mkdir()
    pq.write_table(table, folder / "items.parquet")
    pq.write_table(built.table, folder / "categories.parquet")
    _write_features(folder, encoded)
    absent = sum(row is None for row in rows)
    display = [name for name, kind in kinds.items() if kind == "display"]
    return Written(built.known(), encoded, display, absent, len(row_of) - (len(rows) - absent))


def _write_features(folder: Path, encoded: list[Feature]) -> None:
    (folder / "features").mkdir()
    listed = []
    for feature in encoded:
        np.save(folder / "features" / f"{feature.name}.npy", feature.tokens)
        facts = ("name", "kind", "vocabulary", "coverage")
        listed.append({name: getattr(feature, name) for name in facts})
    text = json.dumps(listed, indent=2, ensure_ascii=False) + "\n"
    (folder / "features.json").write_text(text, encoding="utf-8")
