"""A catalogue folder + a table of new items -> a larger catalogue folder, nothing of which is learnt anew.

New items get the numbers N + 1, N + 2, ... in the order of their ids, and no training interactions. Their nodes are
found by the names of their path: a name that the tree lacks counts as missing, and so leads to the unknown node under
the deepest parent that is known; a parent that has none gets one, after all other nodes of its level. So known nodes,
words and values keep their numbers, and everything that a model learnt keeps its meaning.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.errors import BadFolder, BadInput
from hiersrec.prepare.catalog import COLUMNS
from hiersrec.prepare.features.new_items import encode_new
from hiersrec.prepare.items import read_items
from hiersrec.prepare.settings import Columns, Metadata, PrepareSettings
from hiersrec.prepare.tree import Names
from hiersrec.store.catalog import Catalog
from hiersrec.types import Float32, Int32

Say = Callable[[str], None]


def grow_catalog(old: Path, items: Path, new: Path, say: Say, vectors: tuple[str, ...] = ()) -> int:
    """Write the folder `new`: the catalogue `old` and the items of the table `items` that it lacks; returns how many.

    `items` has the layout of the table that was prepared; rows of known items are passed over. `vectors` are columns
    whose vectors lie in files, each "NAME=FILE.npy" with a row for each row of `items`. Raises BadInput if it
    holds no new item, or values that don't fit; BadFolder if `old` doesn't say how its table was read.
    """
    catalog = Catalog.open(old)
    texts = [field.name for field in catalog.items.schema if pa.types.is_string(field.type)]
    settings = PrepareSettings(columns=_columns(old), metadata=Metadata(vectors=vectors))
    read = read_items(items, settings, lambda text: say(text.replace("prepare", "add-items", 1)), texts)
    ids = _like(catalog.items["item_id"].type, read.ids, items)
    is_new = catalog.to_internal(ids.to_pylist()) == 0
    order = [row for row in pc.sort_indices(ids).to_pylist() if is_new[row]]
    if not order:
        raise BadInput(f"{items} holds no new item: the catalogue has all {len(ids):,} of them. Give items it lacks.")
    say(f"add-items: {len(order):,} new items; {len(ids) - len(order):,} rows are of items that are there already")
    table = pa.table({**{name: read.others[name] for name in read.others.column_names}, "item_id": ids})
    table, paths = table.take(pa.array(order)), [read.paths[row] for row in order]
    nodes, unknown = _nodes(catalog, paths)
    for at, level in enumerate(catalog.levels):
        known = int((nodes[:, at] <= level.num_known).sum())
        # None at all is most likely a table whose names are spelt in another way.
        hint = "" if known or not level.num_known else f"; the tree has names such as '{level.names[1]}'"
        say(f"add-items: {known:,} of {len(order):,} new items have a known category of level {at + 1}{hint}")
    rows = _rows(catalog, table, nodes)
    encoded = encode_new(old, table, say)
    if blank := _blank(catalog, nodes, list(encoded.values())):
        say(
            f"add-items: of {blank:,} new items neither a category nor metadata are known: nothing tells them apart, "
            "so they have one score"
        )
    shutil.copytree(old, new)
    # Whole numbers and others become others.
    pq.write_table(pa.concat_tables([catalog.items, rows], promote_options="permissive"), new / "items.parquet")
    pq.write_table(pa.concat_tables([pq.read_table(old / "categories.parquet"), unknown]), new / "categories.parquet")
    for feature in catalog.features:
        np.save(new / "features" / f"{feature.name}.npy", np.concatenate([feature.values, encoded[feature.name]]))
    return len(order)


def _columns(folder: Path) -> Columns:
    path = folder / COLUMNS
    if not path.is_file():
        raise BadFolder(
            f"{folder} has no {COLUMNS}, which says how the items table was read: it is of an older hiersrec. Prepare "
            "the dataset and train anew."
        )
    found = json.loads(path.read_text(encoding="utf-8"))
    return Columns(**{**found, "category_columns": tuple(found["category_columns"])})


def _like(kind: pa.DataType, ids: pa.ChunkedArray, items: Path) -> pa.ChunkedArray:
    """Ids as the catalogue has them: text or whole numbers."""
    if pa.types.is_integer(kind) and not pa.types.is_integer(ids.type):
        raise BadInput(
            f"{items} has ids such as '{ids[0]}', but the ids of the catalogue are whole numbers. Give ids of one kind."
        )
    return ids.cast(kind)


def _nodes(catalog: Catalog, paths: list[Names]) -> tuple[Int32, pa.Table]:
    """Node of each new item at each level, (M, L) int32, and the rows that categories.parquet gets for them."""
    nodes = np.zeros((len(paths), len(catalog.levels)), np.int32)
    added: dict[str, list[int]] = {"level": [], "node": [], "parent": []}
    for at, level in enumerate(catalog.levels):
        node_of = {(int(level.parents[node]), level.names[node]): node for node in range(1, level.num_nodes + 1)}
        for row, path in enumerate(paths):
            parent = int(nodes[row, at - 1]) if at else 0
            unknown = (parent, None)
            name = path[at] if at < len(path) else None
            if (parent, name) not in node_of and unknown not in node_of:
                node_of[unknown] = len(node_of) + 1
                for column, value in zip(added.values(), (at + 1, node_of[unknown], parent), strict=True):
                    column.append(value)
            nodes[row, at] = node_of[(parent, name) if (parent, name) in node_of else unknown]
    table = {column: pa.array(values, pa.int32()) for column, values in added.items()}
    return nodes, pa.table({**table, "name": pa.nulls(len(added["level"]), pa.string())})


def _rows(catalog: Catalog, table: pa.Table, nodes: Int32) -> pa.Table:
    """The rows that items.parquet gets, in its columns; a column that the new `table` lacks is null."""
    size = len(table)
    own = {
        "item": pa.array(np.arange(catalog.num_items + 1, catalog.num_items + size + 1), pa.int32()),
        "item_id": table["item_id"],
        "train_count": pa.array(np.zeros(size, np.int64)),
    }
    for at in range(nodes.shape[1]):
        own[f"node_{at + 1}"] = pa.array(nodes[:, at])
        own[f"category_{at + 1}"] = _names(catalog, at, nodes[:, at])
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for column in catalog.items.schema:
        values = own.get(column.name)
        if values is None:
            there = column.name in table.column_names
            values = _cast(column, table[column.name]) if there else pa.nulls(size, column.type)
        columns[column.name] = values
    return pa.table(columns)


def _blank(catalog: Catalog, nodes: Int32, features: list[Int32 | Float32]) -> int:
    """New items of which nothing is known: no category of any level, and no metadata."""
    known = np.zeros(len(nodes), bool)
    for at, level in enumerate(catalog.levels):
        known |= nodes[:, at] <= level.num_known
    for values in features:
        known |= values.any(axis=1)
    return int((~known).sum())


def _names(catalog: Catalog, at: int, nodes: Int32) -> pa.Array:
    """Names of known nodes of a level, null for unknown ones, which may be new."""
    level = catalog.levels[at]
    return pa.array([level.names[node] if node <= level.num_known else None for node in nodes], pa.string())


def _cast(column: pa.Field, values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type) and pa.types.is_floating(values.type):
        return values  # the first price that is not whole
    if pa.types.is_string(column.type) and pa.types.is_nested(values.type):
        joined = ["|".join(map(str, one)) if one is not None else None for one in values.to_pylist()]
        return pa.chunked_array([pa.array(joined, pa.string())])
    try:
        return values.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(
            f"Column '{column.name}' of the new items has type {values.type}, that of the catalogue {column.type}: "
            f"{error}. Give it the type it had when the dataset was prepared."
        ) from error
