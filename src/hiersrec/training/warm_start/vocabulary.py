"""Which rows of an older catalogue stand for the rows of a newer one: items by their ids, categories by their paths.

Numbers differ from dataset to dataset, so rows are matched by what they stand for. Every function except `directions`
returns, for the numbers 0, 1, 2, ... of the newer catalogue, those of the older one: (rows,) int64, NEW where it has
none. 0, padding, stays 0. Columns are matched by their codebooks in features/ (store/catalog.py).
"""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadFolder
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.json_form import file_name, read_json
from hiersrec.types import Float64, Int64

NEW = -1


def items(older: Catalog, newer: Catalog) -> Int64:
    """(N + 1,): by the user's id; 7 and "7" are the same."""
    numbers = older.to_internal(newer.items["item_id"].to_pylist()).astype(np.int64)
    return np.concatenate([[0], np.where(numbers > 0, numbers, NEW)])


def nodes(older: Catalog, newer: Catalog, level: int) -> Int64:
    """(nodes + 1,) of a level, from 1, that both have: by the names from the top; unknown ones by their parent."""
    return _matched(_paths(older, level), _paths(newer, level))


def nodes_by_items(older: Catalog, newer: Catalog, level: int, item_numbers: Int64) -> Int64:
    """`nodes` for clusters, whose names change with each dataset: the older known node that shares most items.

    item_numbers: (N + 1,), what `items` returns. Of several nodes with equally many items, the first; two newer nodes
    may have the same older one.
    """
    numbers = nodes(older, newer, level)
    rows, columns = newer.levels[level - 1].num_known, older.levels[level - 1].num_known
    shared_items = np.flatnonzero(item_numbers > 0)
    after = newer.item_nodes[shared_items, level - 1]
    before = older.item_nodes[item_numbers[shared_items], level - 1]
    known = (after <= rows) & (before <= columns)
    pairs, counts = np.unique(np.stack([after[known], before[known]]), axis=1, return_counts=True)  # (2, pairs)
    numbers[1 : rows + 1] = NEW
    order = np.lexsort((-pairs[1], counts))  # the best pair of a node is assigned last
    numbers[pairs[0][order]] = pairs[1][order]
    return numbers


def event_types(older: Catalog, newer: Catalog) -> Int64:
    """(types + 1,): by name."""
    return _matched(list(older.event_types), list(newer.event_types))


def tokens(older: Path, newer: Path, feature: Feature, table: pa.Table) -> Int64:
    """(vocabulary,) of a token column that both catalogue folders have, of one kind: by value or by word.

    A numeric bin is the older bin of its median; `table` holds the newer catalogue's items. Raises BadFolder if a
    folder lacks the codebook of the column.
    """
    before, after = (_codebook(folder, feature.name) for folder in (older, newer))
    if feature.kind == "numeric":
        return _bins(before, feature, table)
    key = "words" if feature.kind == "text" else "values"
    if key not in before or key not in after:  # a kind of another distribution: tokens mean the same or nothing
        kept = np.arange(feature.vocabulary) if before.keys() == after.keys() and _equal(before, after) else NEW
        return np.where(np.arange(feature.vocabulary) > 0, kept, 0)
    return _matched([_text(value) for value in before[key]], [_text(value) for value in after[key]])


def directions(older: Path, newer: Path, name: str) -> Float64 | None:
    """The matrix from the newer vectors of a "tfidf" column to the older ones: (W older, W newer); None if equal.

    A direction is known by its weights on words, and those of both are orthonormal:
    older = C_older S C_newer^T newer, where S keeps the words that both have and changes their idf. Raises BadFolder as
    `tokens` does.
    """
    before, after = (_codebook(folder, name) for folder in (older, newer))
    if before["words"] == after["words"] and np.array_equal(before["components"], after["components"]):
        return None
    _, in_older, in_newer = np.intersect1d(before["words"], after["words"], assume_unique=True, return_indices=True)
    scaled = before["components"][:, in_older] * (before["idf"][in_older] / after["idf"][in_newer])
    rotation: Float64 = scaled @ after["components"][:, in_newer].T.astype(np.float64)
    return rotation


def _matched(older: Sequence[Hashable], newer: Sequence[Hashable]) -> Int64:
    numbers = {value: number for number, value in enumerate(older, start=1)}
    return np.array([0, *(numbers.get(value, NEW) for value in newer)], np.int64)


def _paths(catalog: Catalog, level: int) -> list[tuple[str | None, ...]]:
    """Names from the top of the nodes 1, 2, ... of a level."""
    paths: list[tuple[str | None, ...]] = [()]
    for nodes_of_level in catalog.levels[:level]:
        names = zip(nodes_of_level.parents, nodes_of_level.names, strict=True)
        paths = [(*paths[parent], name) for parent, name in names]
    return paths[1:]


def _bins(codebook: dict[str, Any], feature: Feature, table: pa.Table) -> Int64:
    values = np.array([np.nan if value is None else float(value) for value in table[feature.name].to_pylist()])
    bins = feature.values[1:, 0]
    numbers = np.full(feature.vocabulary, NEW, np.int64)
    numbers[0] = 0
    if codebook["bins"]:
        medians = [np.median(values[bins == number]) for number in range(1, feature.vocabulary)]
        numbers[1:] = np.searchsorted(np.array(codebook["edges"], np.float64), medians, side="right") + 1
    return numbers


def _codebook(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "features" / f"{name}.json"
    if not path.is_file():
        raise BadFolder(
            f"{path} is missing: an older hiersrec made {folder.parent}, without a codebook of the column. Prepare the "
            "dataset again, or train without --init-from."
        )
    way_out = "Prepare the dataset again, or train without --init-from."
    document: dict[str, Any] = read_json(path, {"kind": str, "arrays": [str]}, way_out)
    keys = [file_name(key, path, way_out) for key in document["arrays"]]
    return document | {key: np.load(path.with_name(f"{name}.{key}.npy")) for key in keys}


def _equal(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return all(np.array_equal(before[key], after[key]) for key in before)


def _text(value: Any) -> str:
    """7.0 is 7: another table may hold the same column under another type."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
