"""A catalogue folder + a table of new items -> a larger catalogue folder, with the codebooks that were fitted before.

New items get the numbers N + 1, N + 2, ... in the order of their ids, and no training interactions. Their nodes are
found by the names of their path: a name that the tree lacks counts as missing, so it leads to the unknown node under
the deepest known parent; a parent without an unknown node gets one, after all other nodes of its level. So known nodes,
words and values keep their numbers, and everything that a model learnt keeps its meaning.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hiersrec.errors import BadFolder, BadInput
from hiersrec.preparation.catalog import COLUMNS
from hiersrec.preparation.columns import shown_name
from hiersrec.preparation.events_writer import INTEGER
from hiersrec.preparation.items import read_items
from hiersrec.preparation.new_items import encode_new
from hiersrec.preparation.settings import Columns, Metadata, PrepareSettings
from hiersrec.preparation.tree import Names
from hiersrec.store.catalog import Catalog
from hiersrec.store.json_form import Form, read_json
from hiersrec.types import Float32, Int32, Say

FORM: Form = {
    "item_id": (str, None),
    "category_path": (str, None),
    "category_separator": str,
    "category_columns": [str],
    "separator?": (str, None),
}
"""Of columns.json."""


def extend_catalog(old: Path, items: Path, new: Path, say: Say, vectors: tuple[str, ...] = ()) -> int:
    """Write the catalogue `old` plus the items of table `items` that it lacks to `new`; returns the number added.

    `items` has the layout of the table that was prepared; rows of known items are skipped. `vectors` are columns whose
    vectors come from files, each "NAME=FILE.npy" with a row for each row of `items`. Raises BadInput if there is no new
    item or a value doesn't fit; BadFolder if `old` doesn't say how its table was read.
    """
    catalog = Catalog.open(old)
    texts = [field.name for field in catalog.items.schema if pa.types.is_string(field.type)]
    numeric = tuple(feature.name for feature in catalog.features if feature.kind == "numeric")
    settings = PrepareSettings(columns=_columns(old), metadata=Metadata(vectors=vectors, numeric=numeric))
    read = read_items(items, settings, lambda text: say(text.replace("prepare", "add-items", 1)), texts)
    ids = _cast_ids(read.ids, catalog.items["item_id"].type, items)
    is_new = catalog.to_internal(ids.to_pylist()) == 0
    order = [row for row in pc.sort_indices(ids).to_pylist() if is_new[row]]
    if not order:
        raise BadInput(f"{items} holds no new item: the catalogue has all {len(ids):,} of them. Give items it lacks.")
    say(f"add-items: {len(order):,} new items; {len(ids) - len(order):,} rows are of known items, and skipped")
    table = pa.table({**{name: read.others[name] for name in read.others.column_names}, "item_id": ids})
    table, paths = table.take(pa.array(order)), [read.paths[row] for row in order]
    nodes, unknown = _nodes(catalog, paths)
    for column, level in enumerate(catalog.levels):
        known = int((nodes[:, column] <= level.num_known).sum())
        # No known name at all most likely means that the table spells them differently.
        hint = "" if known or not level.num_known else f"; the tree has names such as '{level.names[1]}'"
        say(f"add-items: {known:,} of {len(order):,} new items have a known category of level {column + 1}{hint}")
    rows = _rows(catalog, table, nodes)
    encoded = encode_new(old, table, say)
    if blank := _count_blank(catalog, nodes, list(encoded.values())):
        say(
            f"add-items: {blank:,} new items have neither a known category nor known metadata: nothing distinguishes "
            "them, so they all get the same score"
        )
    shutil.copytree(old, new)
    # A column of integers that gets its first fraction becomes one of floats.
    pq.write_table(pa.concat_tables([catalog.items, rows], promote_options="permissive"), new / "items.parquet")
    pq.write_table(pa.concat_tables([pq.read_table(old / "categories.parquet"), unknown]), new / "categories.parquet")
    for feature in catalog.features:
        np.save(new / "features" / f"{feature.name}.npy", np.concatenate([feature.values, encoded[feature.name]]))
    return len(order)


def _columns(folder: Path) -> Columns:
    path = folder / COLUMNS
    if not path.is_file():
        raise BadFolder(
            f"{folder} has no {COLUMNS}, which says how the items table was read: an older hiersrec made it. Prepare "
            "the dataset and train again."
        )
    options = read_json(path, FORM, "Prepare the dataset and train again.")
    names = [name.removesuffix("?") for name in FORM]
    known = {name: options[name] for name in names if name in options}
    return Columns(**{**known, "category_columns": tuple(options["category_columns"])})


def _cast_ids(ids: pa.ChunkedArray, type_: pa.DataType, items: Path) -> pa.ChunkedArray:
    """Ids in the catalogue's type: text or integers."""
    if pa.types.is_integer(type_) and not pa.types.is_integer(ids.type):
        other = next((one for one in ids.to_pylist() if not re.fullmatch(INTEGER, str(one))), ids[0])
        raise BadInput(
            f"{items} has ids such as '{other}', but the ids of the catalogue are integers. Give ids of the same kind."
        )
    return ids.cast(type_)


def _nodes(catalog: Catalog, paths: list[Names]) -> tuple[Int32, pa.Table]:
    """Node of each of M new items at each level, (M, L) int32, and the rows to add to categories.parquet."""
    nodes = np.zeros((len(paths), len(catalog.levels)), np.int32)
    added: list[tuple[int, int, int]] = []  # level, node, parent
    for depth, level in enumerate(catalog.levels):
        node_of = {(int(level.parents[node]), level.names[node]): node for node in range(1, level.num_nodes + 1)}
        for row, path in enumerate(paths):
            parent = int(nodes[row, depth - 1]) if depth else 0
            known, unknown = (parent, path[depth] if depth < len(path) else None), (parent, None)
            if known not in node_of and unknown not in node_of:
                node_of[unknown] = len(node_of) + 1
                added.append((depth + 1, node_of[unknown], parent))
            nodes[row, depth] = node_of[known if known in node_of else unknown]
    columns = np.array(added, np.int32).reshape(-1, 3).T
    table = {name: pa.array(values) for name, values in zip(("level", "node", "parent"), columns, strict=True)}
    return nodes, pa.table({**table, "name": pa.nulls(len(added), pa.string())})


def _rows(catalog: Catalog, table: pa.Table, nodes: Int32) -> pa.Table:
    """The rows to add to items.parquet, with its columns; a column that the new `table` lacks is null."""
    size = len(table)
    own = {
        "item": pa.array(np.arange(catalog.num_items + 1, catalog.num_items + size + 1), pa.int32()),
        "item_id": table["item_id"],
        "train_count": pa.array(np.zeros(size, np.int64)),
    }
    for depth, level in enumerate(catalog.levels):
        names = [level.names[node] if node <= level.num_known else None for node in nodes[:, depth]]
        own[f"node_{depth + 1}"] = pa.array(nodes[:, depth])
        own[f"category_{depth + 1}"] = pa.array(names, pa.string())
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    table = table.rename_columns([shown_name(name, table.column_names) for name in table.column_names])
    for field in catalog.items.schema:
        if field.name in own:
            columns[field.name] = own[field.name]
        elif field.name in table.column_names:
            columns[field.name] = _cast(table[field.name], field)
        else:
            columns[field.name] = pa.nulls(size, field.type)
    return pa.table(columns)


def _count_blank(catalog: Catalog, nodes: Int32, features: list[Int32 | Float32]) -> int:
    """Number of new items without a known category at any level and without metadata."""
    known = np.zeros(len(nodes), bool)
    for depth, level in enumerate(catalog.levels):
        known |= nodes[:, depth] <= level.num_known
    for values in features:
        known |= values.any(axis=1)
    return int((~known).sum())


def _cast(values: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """A column of the new items in the type that the catalogue has for it."""
    if pa.types.is_integer(field.type) and pa.types.is_floating(values.type):
        return values  # the column becomes one of floats
    if pa.types.is_string(field.type) and pa.types.is_nested(values.type):
        joined = ["|".join(map(str, value)) if value is not None else None for value in values.to_pylist()]
        return pa.chunked_array([pa.array(joined, pa.string())])
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(
            f"Column '{field.name}' of the new items has type {values.type}, in the catalogue it has {field.type}: "
            f"{error}. Give it the type it had when the dataset was prepared."
        ) from error
