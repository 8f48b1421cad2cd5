"""Category columns of the items table -> a tree of nodes, with unknown nodes where a level is missing."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.types import Int32

Names = tuple[str | None, ...]
"""Names of the categories of an item, coarse to fine; None where missing."""


@dataclass(frozen=True)
class Tree:
    """The nodes of the catalogue's items.

    item_nodes: (N, L) int32, node of each item at each level. item_names: per level, the items' categories, None
    where missing. table: level, node, parent, name, as categories.parquet has it.
    """

    item_nodes: Int32
    item_names: list[list[str | None]]
    table: pa.Table

    @property
    def depth(self) -> int:
        """L."""
        return int(self.item_nodes.shape[1])

    def known(self) -> list[int]:
        """Known nodes per level."""
        levels = self.table["level"].to_pylist()
        names = self.table["name"].to_pylist()
        return [
            sum(at == level and name is not None for at, name in zip(levels, names, strict=True))
            for level in range(1, self.depth + 1)
        ]

    def coverage(self) -> list[float]:
        """Share of the N items with a known category, per level."""
        return [sum(name is not None for name in names) / len(names) for names in self.item_names]


def names_of_columns(columns: list[pa.ChunkedArray]) -> list[Names]:
    """One column a level -> the names of each row; numbers become text, blanks None."""
    levels = [
        [None if value is None or str(value).strip() == "" else str(value) for value in one.to_pylist()]
        for one in columns
    ]
    return list(zip(*levels, strict=True))


def names_of_path(column: pa.ChunkedArray, separator: str) -> list[Names]:
    """A path column -> the names of each row, cut at `separator`, trimmed, as deep as the deepest path."""
    split = [
        [part.strip() for part in str(value).split(separator)] if value is not None else []
        for value in column.to_pylist()
    ]
    depth = max((len(one) for one in split), default=0)
    return [tuple((part or None) for part in [*one, *[""] * (depth - len(one))]) for one in split]


def refuse_contradictions(paths: list[Names], where: list[str]) -> None:
    """Raise BadInput if a category has two parents in the items table: by its name alone it would stand for two nodes.

    `where` says in which file and row each of `paths` stands.
    """
    parents: dict[tuple[int, str], tuple[str | None, str]] = {}
    for place, path in zip(where, paths, strict=True):
        for level in range(1, len(path)):
            name, parent = path[level], path[level - 1]
            if name is None:
                continue
            first, first_place = parents.setdefault((level, name), (parent, place))
            if first != parent:
                raise BadInput(
                    f"{place}: category '{name}' of level {level + 1} has the parent {_shown(parent)} here, "
                    f"and {_shown(first)} at {first_place}. A category has one parent. Make the names unique, such as "
                    f"'{parent or 'Women'} / {name}', or give the whole path in one column with --category-path."
                )


def _shown(name: str | None) -> str:
    return "(missing)" if name is None else f"'{name}'"


def build(paths: list[Names]) -> Tree:
    """Number the nodes of N items, given the names of each; a node is a name under a parent.

    Known nodes of a level come first, in the order of (parent, name); then one unknown node under each parent that
    needs it, in the order of parents.
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
