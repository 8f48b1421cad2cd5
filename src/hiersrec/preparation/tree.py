"""Category columns of the items table -> a tree of nodes, with unknown nodes where a level is missing."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput
from hiersrec.types import Int32, Say

USUAL_SEPARATORS = (">", "/", "|", ";", "\\", ".")
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
    """One column per level -> the names of each row; numbers become text, blanks and NaN None."""
    return list(zip(*([_name(value) for value in column.to_pylist()] for column in columns), strict=True))


def names_of_path(column: pa.ChunkedArray, separator: str) -> list[Names]:
    """A path column -> the names of each row, trimmed, padded to the deepest path.

    Text is split at `separator`; a list is a path already.
    """
    split = [
        [_name(part) for part in (value if isinstance(value, list) else (_name(value) or "").split(separator))]
        for value in column.to_pylist()
    ]
    for parts in split:
        while parts and parts[-1] is None:  # what a separator at the end leaves
            parts.pop()
    depth = max(map(len, split), default=0)
    return [(*parts, *[None] * (depth - len(parts))) for parts in split]


def _name(value: object) -> str | None:
    """A category as text without blanks around it; None where it is missing."""
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes floats of integers where some are missing
    return str(value).strip() or None


def without_leading_separators(column: pa.ChunkedArray, separator: str, say: Say) -> pa.ChunkedArray:
    """A path column as it is split: of paths that all begin with the separator, as /Home/Beds, it is removed.

    Advises another separator where no path has this one, but most have one of the usual others.
    """
    if not pa.types.is_string(column.type):
        return column
    filled = column.filter(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
    if not len(filled):
        return column
    if pc.all(pc.starts_with(filled, separator)).as_py():
        say(f"prepare: all category paths begin with '{separator}', which is left out: level 1 is what comes after it")
        return pc.utf8_slice_codeunits(column, len(separator))
    if not pc.any(pc.match_substring(filled, separator)).as_py():
        for other in USUAL_SEPARATORS:
            if 2 * (pc.sum(pc.match_substring(filled, other)).as_py() or 0) > len(filled):
                say(
                    f"prepare: warning: no category path has the separator '{separator}', so there is one level; "
                    f"'{filled[0].as_py()}' is cut with --category-separator '{other}'"
                )
                break
    return column


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
