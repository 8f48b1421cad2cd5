"""What the numbers of a newer catalogue were called in an older one: items by their ids, categories by their paths.

Numbers mean nothing from one dataset to the next; what they stand for does. Every function but the last gives, for the
numbers 0, 1, 2, ... of the newer catalogue, those of the same things in the older one: (rows,) int64, NEW where it has
none. 0, padding, stays 0. Columns go by what lies beside them in features/ (store/catalog.py).
"""

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadFolder
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.types import Float64, Int64

NEW = -1


def items(older: Catalog, newer: Catalog) -> Int64:
    """(N + 1,): by the user's id; 7 and "7" are one, as everywhere."""
    numbers = older.to_internal(newer.items["item_id"].to_pylist()).astype(np.int64)
    return np.concatenate([[0], np.where(numbers > 0, numbers, NEW)])


def nodes(older: Catalog, newer: Catalog, level: int) -> Int64:
    """(nodes + 1,) of a level, from 1, that both have: by the names from the top; unknown ones by their parent."""
    return _matched(_paths(older, level), _paths(newer, level))


def nodes_by_items(older: Catalog, newer: Catalog, level: int, of_items: Int64) -> Int64:
    """The same for clusters, whose names come anew with each dataset: a known node is the known one with most of its
    items, whose older numbers are `of_items` (N + 1,). Of several with as many, the first; a node may serve twice.
    """
    found = nodes(older, newer, level)
    rows, columns = newer.levels[level - 1].num_known, older.levels[level - 1].num_known
    both = np.flatnonzero(of_items > 0)
    now, then = newer.item_nodes[both, level - 1], older.item_nodes[of_items[both], level - 1]
    known = (now <= rows) & (then <= columns)
    pairs, shared = np.unique(np.stack([now[known], then[known]]), axis=1, return_counts=True)  # (2, pairs)
    found[1 : rows + 1] = NEW
    order = np.lexsort((-pairs[1], shared))  # the best one comes last and stays
    found[pairs[0][order]] = pairs[1][order]
    return found


def event_types(older: Catalog, newer: Catalog) -> Int64:
    """(types + 1,): by name."""
    return _matched(list(older.event_types), list(newer.event_types))


def tokens(older: Path, newer: Path, feature: Feature, table: pa.Table) -> Int64:
    """(vocabulary,) of a column of tokens that both catalogue folders have, of one kind: by value or by word.

    A bin of numbers is the older bin of its median; `table` holds the newer catalogue's items. Raises BadFolder if a
    folder doesn't hold what was learnt of the column.
    """
    then, now = (_codebook(folder, feature.name) for folder in (older, newer))
    if feature.kind == "numeric":
        return _bins(then, feature, table)
    values = "words" if feature.kind == "text" else "values"
    return _matched([_text(one) for one in then[values]], [_text(one) for one in now[values]])


def directions(older: Path, newer: Path, name: str) -> Float64 | None:
    """What turns the newer vectors of a "tfidf" column into the older ones: (W older, W newer); None if they are alike.

    A direction is known by its weights on words, and those of both are orthonormal:
    older = C_older S C_newer^T newer, where S keeps the words that both have and changes their idf. Raises BadFolder as
    `tokens` does.
    """
    then, now = (_codebook(folder, name) for folder in (older, newer))
    if then["words"] == now["words"] and np.array_equal(then["components"], now["components"]):
        return None
    _, at_older, at_newer = np.intersect1d(then["words"], now["words"], assume_unique=True, return_indices=True)
    scaled = then["components"][:, at_older] * (then["idf"][at_older] / now["idf"][at_newer])
    turned: Float64 = scaled @ now["components"][:, at_newer].T.astype(np.float64)  # (W older, W newer)
    return turned


def _matched(older: Sequence[Hashable], newer: Sequence[Hashable]) -> Int64:
    number = {one: at for at, one in enumerate(older, start=1)}
    return np.array([0, *(number.get(one, NEW) for one in newer)], np.int64)


def _paths(catalog: Catalog, level: int) -> list[tuple[str | None, ...]]:
    """Names from the top of the nodes 1, 2, ... of a level."""
    above: list[tuple[str | None, ...]] = [()]
    for one in catalog.levels[:level]:
        above = [(*above[parent], name) for parent, name in zip(one.parents, one.names, strict=True)]
    return above[1:]


def _bins(then: dict[str, Any], feature: Feature, table: pa.Table) -> Int64:
    numbers = np.array([np.nan if one is None else float(one) for one in table[feature.name].to_pylist()])
    bins = feature.values[1:, 0]
    found = np.full(feature.vocabulary, NEW, np.int64)
    found[0] = 0
    if then["bins"]:
        medians = [np.median(numbers[bins == one]) for one in range(1, feature.vocabulary)]
        found[1:] = np.searchsorted(np.array(then["edges"], np.float64), medians, side="right") + 1
    return found


def _codebook(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "features" / f"{name}.json"
    if not path.is_file():
        raise BadFolder(
            f"{path} is missing: an older hiersrec made {folder.parent}, and kept nothing of what was learnt of the "
            "column. Prepare the dataset anew, or train without --init-from."
        )
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document | {key: np.load(path.with_name(f"{name}.{key}.npy")) for key in document["arrays"]}


def _text(value: Any) -> str:
    """7.0 is 7: another table may hold the same column under another type."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
