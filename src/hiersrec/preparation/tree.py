"""Category columns of the items table -> a tree of nodes, with unknown nodes where a level is missing."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.types import Int32

Names = tuple[str | None, ...]
"""Names of the categories of an item, coarse to fine; None where missing."""


@dataclass(frozen=True)
class Tree:
    """The nodes of N items."""

    item_nodes: Int32
    """(N, L) int32: node of each item at each level."""
    item_names: list[list[str | None]]
    """Per level, the N items' categories; None where missing."""
    table: pa.Table
    """level, node, parent, name, as in categories.parquet."""

    @property
    def depth(self) -> int:
        """L, the number of levels."""
        return len(self.item_names)

    def known(self) -> list[int]:
        known = Counter(self.table.filter(self.table["name"].is_valid())["level"].to_pylist())
        return [known[level] for level in range(1, self.depth + 1)]

    def coverage(self) -> list[float]:
        """Share of the N items with a known category, per level."""
        return [sum(name is not None for name in names) / len(names) for names in self.item_names]


def names_of_columns(columns: list[pa.ChunkedArray]) -> list[Names]:
    """One column per level -> the names of each row; numbers become text, blanks None."""
    levels = [
        [None if value is None or str(value).strip() == "" else str(value) for value in column.to_pylist()]
        for column in columns
    ]
    return list(zip(*levels, strict=True))


def names_of_path(column: pa.ChunkedArray, separator: str) -> list[Names]:
    """A path column -> the names of each row, split at `separator`, trimmed, padded to the deepest path."""
    split = [
        [part.strip() for part in str(value).split(separator)] if value is not None else []
        for value in column.to_pylist()
    ]
    depth = max(map(len, split), default=0)
    return [tuple((part or None) for part in [*parts, *[""] * (depth - len(parts))]) for parts in split]


def refuse_contradictions(paths: list[Names], locations: list[str]) -> None:
    """Raise BadInput if a category has two parents in the items table, because its name would mean two nodes.

    `locations` are file and row of each of `paths`, for the message.
    """
    parents: dict[tuple[int, str], tuple[str | None, str]] = {}
    for location, path in zip(locations, paths, strict=True):
        for level in range(1, len(path)):
            name, parent = path[level], path[level - 1]
            if name is None:
                continue
            first, first_location = parents.setdefault((level, name), (parent, location))
            if first != parent:
                shown, first_shown = ("(missing)" if node is None else f"'{node}'" for node in (parent, first))
                raise BadInput(
                    f"{location}: category '{name}' of level {level + 1} has the parent {shown} here, and "
                    f"{first_shown} at {first_location}. A category has one parent. Make the names unique, such as "
                    f"'{parent or 'Women'} / {name}', or give the whole path in one column with --category-path."
                )


def build(paths: list[Names]) -> Tree:
    """Number the nodes of N items from the names of their categories; a node is a name under a parent.

    Known nodes of a level come first, sorted by (parent, name); then one unknown node under each parent that needs it,
    sorted by parent.
    """
    depth = max((len(path) for path in paths), default=0)
    item_nodes = np.zeros((len(paths), depth), np.int32)
    rows: dict[str, list[int | str | None]] = {"level": [], "node": [], "parent": [], "name": []}
    for level in range(depth):
        parents = item_nodes[:, level - 1] if level else np.zeros(len(paths), np.int32)
        keys = [
            (path[level] is None, int(parent), path[level] or "") for parent, path in zip(parents, paths, strict=True)
        ]
        node_of = {key: node for node, key in enumerate(sorted(set(keys)), start=1)}
        item_nodes[:, level] = [node_of[key] for key in keys]
        for (unknown, parent, name), node in node_of.items():
            for column, value in zip(rows, (level + 1, node, parent, None if unknown else name), strict=True):
                rows[column].append(value)
    types = {"level": pa.int32(), "node": pa.int32(), "parent": pa.int32(), "name": pa.string()}
    table = pa.table({column: pa.array(values, types[column]) for column, values in rows.items()})
    return Tree(item_nodes, [[path[level] for path in paths] for level in range(depth)], table)
