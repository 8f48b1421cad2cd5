"""Items table + vocabulary -> the catalogue folder of store/catalog.py."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.preparation import codebook, tree
from hiersrec.preparation.column_kinds import DISPLAY, LEFT_OUT, kinds
from hiersrec.preparation.columns import shown_name
from hiersrec.preparation.encode import Encoded, encode
from hiersrec.preparation.items import ItemsTable
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.preparation.values import FOLDER
from hiersrec.types import Say

COLUMNS = "columns.json"
"""File of the catalogue that says how the items table was read, so that tables of new items are read the same way."""


@dataclass(frozen=True)
class Written:
    """What `write_catalog` wrote, for the statistics."""

    categories: list[int]
    """Known nodes per level."""
    category_coverage: list[float]
    """Share of the items with a known category, per level."""
    features: list[Encoded]
    display: list[str]
    """Columns that are only for display."""
    absent: int
    """Items of the catalogue that the items table lacks."""
    extra: int
    """Rows of the items table that are not in the catalogue."""


def write_catalog(
    folder: Path,
    vocabulary: pa.Table,
    items: ItemsTable | None,
    settings: PrepareSettings,
    say: Say,
    paths: list[tree.Names] | None = None,
) -> Written:
    """Write the catalogue folder of the items of `vocabulary`: item_id, item, train_count, sorted by item.

    `paths` (N) replace the categories of the items table.
    """
    ids = vocabulary["item_id"]
    if items is None:
        items = ItemsTable(ids.slice(0, 0), [], pa.table({}), {})
    row_of = {item_id: row for row, item_id in enumerate(items.ids.to_pylist())}
    rows = [row_of.get(item_id) for item_id in ids.to_pylist()]
    if paths is None:
        depth = len(items.paths[0]) if items.paths else 0
        paths = [(None,) * depth if row is None else items.paths[row] for row in rows]
    built = tree.build(paths)
    others = items.others.take(pa.array(rows, pa.int64())) if items.others.num_columns else pa.table({})
    kind_of = kinds(others, settings.metadata, say)
    encoded = [
        encode(
            name,
            kind,
            others[name],
            settings.metadata,
            item=lambda row: f"item '{ids[row]}'",
            say=lambda text: say(f"prepare: {text}"),
        )
        for name, kind in kind_of.items()
        if kind not in (DISPLAY, LEFT_OUT)
    ]
    table = pa.table({"item": vocabulary["item"], "item_id": ids, "train_count": vocabulary["train_count"]})
    for level in range(built.depth):
        table = table.append_column(f"node_{level + 1}", pa.array(built.item_nodes[:, level]))
    for level in range(built.depth):
        table = table.append_column(f"category_{level + 1}", pa.array(built.item_names[level], pa.string()))
    for name in others.column_names:
        if name in table.column_names or re.fullmatch(r"node_[0-9]+", name):
            raise BadInput(
                f"The items table has a column '{name}', a name that hiersrec uses itself. Rename or --ignore it."
            )
        if _is_shown(kind_of[name]):
            table = table.append_column(shown_name(name, others.column_names), others[name])
    folder.mkdir()
    pq.write_table(table, folder / "items.parquet")
    pq.write_table(built.table, folder / "categories.parquet")
    _write_features(folder, encoded)
    options = ("item_id", "category_path", "category_separator", "category_columns")
    named = {name: getattr(settings.columns, name) for name in options}
    named["item_id"] = settings.columns.items_item_id or settings.columns.item_id
    if settings.columns.separator is not None:
        named["separator"] = settings.columns.separator
    columns = json.dumps(named, ensure_ascii=False)
    (folder / COLUMNS).write_text(columns + "\n", encoding="utf-8")
    absent = sum(row is None for row in rows)
    display = [name for name, kind in kind_of.items() if kind == DISPLAY]
    extra = len(row_of) - (len(rows) - absent)
    return Written(built.known(), built.coverage(), encoded, display, absent, extra)


def _is_shown(kind: str) -> bool:
    """Whether a column is kept for display."""
    if kind in (DISPLAY, LEFT_OUT):
        return kind == DISPLAY
    return bool(getattr(registry.load(FOLDER, kind), "SHOWN", True))


def _write_features(folder: Path, encoded: list[Encoded]) -> None:
    (folder / "features").mkdir()
    facts = []
    for column in encoded:
        feature = column.feature
        codebook.save(folder / "features", feature.name, feature.kind, column.codebook)
        np.save(folder / "features" / f"{feature.name}.npy", feature.values)
        facts.append({key: getattr(feature, key) for key in ("name", "kind", "vocabulary", "coverage")})
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    (folder / "features.json").write_text(text, encoding="utf-8")
