"""The catalogue of a bundle: flat arrays and blobs of bytes, memory-mapped, read with only numpy.

    catalog.json      number of items, kind of their ids, the levels (names, parents), the tasks and their classes
    ids.npy           (N,) int64; text ids are ids.bin and ids.starts.npy (memory_map.py)
    ids.order.npy     (N,) int32: argsort of the ids
    titles.*          as for text ids, plus titles.known.npy (N,) bool; only where the items have titles
    search/           the index that `find` uses (title_search.py)
    item_nodes.npy    (N + 1, L) int32            labels/I.count.npy  (C + 1,) int64, of task I in catalog.json
    train_count.npy   (N + 1,) int64              labels/I.item.npy   (N + 1,) int32, if an item decides the class

Opening the folder opens every file, so all answers come from one catalogue even if the folder is replaced or removed
later. catalog.json and the distinct words of the titles are read; the rest is mapped and shared between processes.
"""

import json
from bisect import bisect_left
from pathlib import Path
from typing import Any, cast

import numpy as np

from hiersrec.store.folder import write_text
from hiersrec.store.item_catalog import ItemCatalog, Level, stored_id
from hiersrec.store.json_form import Form, read_json
from hiersrec.store.labels import Labels
from hiersrec.store.memory_map import Texts, as_bytes, expect, mapped, write_texts
from hiersrec.store.title_search import TitleSearch, write_titles
from hiersrec.types import ExternalId, Int32, Int64

TITLE = "title"
FORM: Form = {
    "num_items": int,
    "ids": str,
    "has_titles": bool,
    "levels": [{"num_known": int, "names": [(str, None)], "parents": [int]}],
    "labels": {str: [str]},
}
"""Of catalog.json."""


class BundleCatalog:
    """An ItemCatalog (item_catalog.py) in a folder that `pack` wrote."""

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises BadFolder and ValueError if it holds something else."""
        document: dict[str, Any] = read_json(folder / "catalog.json", FORM, "Export the run again.")
        self.num_items: int = document["num_items"]
        self.levels = [
            Level(level["num_known"], level["names"], np.array(level["parents"], np.int32))
            for level in document["levels"]
        ]
        self.item_nodes: Int32 = mapped(folder / "item_nodes.npy")
        self.train_count: Int64 = mapped(folder / "train_count.npy")
        self.labels = {
            task: _labels(folder, index, names) for index, (task, names) in enumerate(document["labels"].items())
        }
        self._has_numbers: bool = document["ids"] == "numbers"
        self._ids: Texts | memoryview = (
            memoryview(mapped(folder / "ids.npy")) if self._has_numbers else Texts(folder / "ids")
        )
        self._order = memoryview(mapped(folder / "ids.order.npy"))
        self._titles = Texts(folder / "titles") if document["has_titles"] else None
        self._has_title = mapped(folder / "titles.known.npy") if document["has_titles"] else None
        self._search = TitleSearch(folder / "search")
        self._check()

    def _check(self) -> None:
        """Raise ValueError if arrays do not fit one another."""
        items = self.num_items
        expect("ids.order.npy", np.asarray(self._order), np.int32, (items,), items)
        expect("train_count.npy", self.train_count, np.int64, (items + 1,))
        expect("item_nodes.npy", self.item_nodes, np.int32, (items + 1, len(self.levels)))
        sizes = [len(self._ids), items if self._titles is None else len(self._titles), self._search.size]
        if sizes != [items] * 3:
            raise ValueError(
                f"of {items} items there are {sizes[0]} ids, {sizes[1]} titles and {sizes[2]} lines to search"
            )
        if self._has_title is not None:
            expect("titles.known.npy", self._has_title, np.bool_, (items,))
        above = 1
        for depth, level in enumerate(self.levels):
            expect(f"nodes of level {depth + 1}", self.item_nodes[:, depth], np.int32, (items + 1,), len(level.names))
            expect(f"parents of level {depth + 1}", level.parents, np.int32, (len(level.names),), above)
            if not 0 <= level.num_known < len(level.names):
                raise ValueError(f"level {depth + 1} knows {level.num_known} of {len(level.names)} names")
            above = len(level.names)
        for task, labels in self.labels.items():
            classes = len(labels.names) + 1
            expect(f"counts of {task}", labels.train_count, np.int64, (classes,))
            if labels.of_item is not None:
                expect(f"classes of {task}", labels.of_item, np.int32, (items + 1,), classes)

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown; ids are converted to the type that the catalogue stores."""
        return np.array([self._internal(stored_id(item_id, self._has_numbers)) for item_id in item_ids], np.int32)

    def _internal(self, item_id: ExternalId | None) -> int:
        if item_id is None:
            return 0
        key = item_id if isinstance(item_id, int) else as_bytes(item_id)
        rank = bisect_left(self._order, key, key=self._ids.__getitem__)
        if rank == len(self._order) or self._ids[self._order[rank]] != key:
            return 0
        return self._order[rank] + 1

    @property
    def ends(self) -> Int32:
        """(2,): the items with the least and the greatest id."""
        return np.array([self._order[0] + 1, self._order[-1] + 1], np.int32)

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""
        ids: list[Any] = [self._ids[item - 1] for item in items.tolist()]
        return ids if self._has_numbers else [text.decode() for text in ids]

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Titles, None where missing, if `name` is "title" and the items have titles; a bundle has no other column."""
        if name != TITLE or self._titles is None or self._has_title is None:
            return None
        return [self._titles[row].decode() if self._has_title[row] else None for row in (items - 1).tolist()]

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""
        return [level.names[node] for level, node in zip(self.levels, self.item_nodes[item].tolist(), strict=True)]

    def find(self, query: str, limit: int) -> Int32:
        """As `TitleSearch.find`; items without a title are found by their id."""
        return self._search.find(query, limit)


def pack(catalog: ItemCatalog, folder: Path) -> None:
    """Write a catalogue's ids, titles, levels and labels into a new `folder`."""
    (folder / "labels").mkdir(parents=True)
    items = np.arange(1, catalog.num_items + 1, dtype=np.int32)
    ids = catalog.to_external(items)
    has_numbers = all(isinstance(item_id, int) for item_id in ids)
    stored = ids if has_numbers else [as_bytes(str(item_id)) for item_id in ids]
    if has_numbers:
        np.save(folder / "ids.npy", np.array(ids, np.int64))
    else:
        write_texts(folder / "ids", cast("list[bytes]", stored))
    np.save(folder / "ids.order.npy", np.array(sorted(range(len(ids)), key=stored.__getitem__), np.int32))
    titles = catalog.column(TITLE, items)
    if titles is not None:
        write_texts(folder / "titles", [as_bytes("" if title is None else str(title)) for title in titles])
        np.save(folder / "titles.known.npy", np.array([title is not None for title in titles], bool))
    by_popularity = np.argsort(-catalog.train_count[1:], kind="stable")
    texts = [str(ids[row] if titles is None or titles[row] is None else titles[row]) for row in by_popularity.tolist()]
    write_titles(folder / "search", texts, (by_popularity + 1).astype(np.int32))
    np.save(folder / "item_nodes.npy", catalog.item_nodes)
    np.save(folder / "train_count.npy", catalog.train_count)
    for index, labels in enumerate(catalog.labels.values()):
        np.save(folder / f"labels/{index}.count.npy", labels.train_count)
        if labels.of_item is not None:
            np.save(folder / f"labels/{index}.item.npy", labels.of_item)
    document = {
        "num_items": catalog.num_items,
        "ids": "numbers" if has_numbers else "text",
        "has_titles": titles is not None,
        "levels": [
            {"num_known": level.num_known, "names": level.names, "parents": level.parents.tolist()}
            for level in catalog.levels
        ],
        "labels": {task: labels.names for task, labels in catalog.labels.items()},
    }
    write_text(folder / "catalog.json", json.dumps(document, ensure_ascii=False) + "\n")


def _labels(folder: Path, index: int, names: list[str]) -> Labels:
    of_item = folder / f"labels/{index}.item.npy"
    return Labels(names, mapped(folder / f"labels/{index}.count.npy"), mapped(of_item) if of_item.is_file() else None)
