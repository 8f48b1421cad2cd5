"""A catalogue as a bundle keeps it: flat arrays and one blob of bytes, mapped into memory, read with numpy alone.

    catalog.json      numbers of items and kind of their ids, the levels (names, parents), the tasks and their classes
    ids.npy           (N,) int64; or for text ids.bin and ids.starts.npy (memory_map.py)
    ids.order.npy     (N,) int32: places of the ids, from 0, in ascending order of id
    titles.*          as for text ids, with titles.known.npy (N,) bool, where items have titles
    search/           what `find` looks through (title_search.py)
    item_nodes.npy    (N + 1, L) int32            labels/AT.count.npy  (C + 1,) int64, of the task at that place
    train_count.npy   (N + 1,) int64              labels/AT.item.npy   (N + 1,) int32, where the class is the item's

Opening it opens every file, so that all answers are of one catalogue, also when the folder is replaced or removed
later. It reads catalog.json and the distinct words of the titles; the rest is mapped, and processes share it.
"""

import json
from bisect import bisect_left
from pathlib import Path
from typing import Any, cast

import numpy as np

from hiersrec.store.folder import write_text
from hiersrec.store.item_catalog import ItemCatalog, Level, as_kept
from hiersrec.store.labels import Labels
from hiersrec.store.memory_map import Texts, as_bytes, mapped, write_texts
from hiersrec.store.title_search import TitleSearch, write_titles
from hiersrec.types import ExternalId, Int32, Int64

TITLE = "title"


class BundleCatalog:
    """An ItemCatalog (item_catalog.py) in a folder that `pack` wrote."""

    def __init__(self, folder: Path) -> None:
        document: dict[str, Any] = json.loads((folder / "catalog.json").read_text(encoding="utf-8"))
        self.num_items: int = document["num_items"]
        self.levels = [
            Level(one["num_known"], one["names"], np.array(one["parents"], np.int32)) for one in document["levels"]
        ]
        self.item_nodes: Int32 = mapped(folder / "item_nodes.npy")
        self.train_count: Int64 = mapped(folder / "train_count.npy")
        self.labels = {task: _labels(folder, at, names) for at, (task, names) in enumerate(document["labels"].items())}
        self._has_numbers: bool = document["ids"] == "numbers"
        self._ids: Texts | memoryview = (
            memoryview(mapped(folder / "ids.npy")) if self._has_numbers else Texts(folder / "ids")
        )
        self._order = memoryview(mapped(folder / "ids.order.npy"))
        self._titles = Texts(folder / "titles") if document["has_titles"] else None
        self._has_title = mapped(folder / "titles.known.npy") if document["has_titles"] else None
        self._search = TitleSearch(folder / "search")

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown; text becomes a number where the catalogue has numbers."""
        return np.array([self._place(as_kept(one, self._has_numbers)) for one in item_ids], np.int32)

    def _place(self, one: ExternalId | None) -> int:
        """The item with an id as it is kept, or 0."""
        if one is None:
            return 0
        wanted = one if isinstance(one, int) else as_bytes(one)
        at = bisect_left(self._order, wanted, key=self._ids.__getitem__)
        if at == len(self._order) or self._ids[self._order[at]] != wanted:
            return 0
        return self._order[at] + 1

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""
        found: list[Any] = [self._ids[item - 1] for item in items.tolist()]
        return found if self._has_numbers else [one.decode() for one in found]

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Titles (or None) for internal ids if `name` is "title" and the items have titles; other columns are none."""
        if name != TITLE or self._titles is None or self._has_title is None:
            return None
        return [self._titles[at].decode() if self._has_title[at] else None for at in (items - 1).tolist()]

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""
        return [level.names[node] for level, node in zip(self.levels, self.item_nodes[item].tolist(), strict=True)]

    def find(self, query: str, limit: int) -> Int32:
        """At most `limit` items whose title holds all words of the query, in any case: (K,) int32.

        Those that begin with the query come first, then the more popular. Items without a title are found by their id;
        a query without words finds all.
        """
        return self._search.find(query, limit)


def pack(catalog: ItemCatalog, folder: Path) -> None:
    """Write a catalogue's ids, titles, levels and labels into a new `folder`."""
    (folder / "labels").mkdir(parents=True)
    every = np.arange(1, catalog.num_items + 1, dtype=np.int32)
    ids = catalog.to_external(every)
    has_numbers = all(isinstance(one, int) for one in ids)
    stored = ids if has_numbers else [as_bytes(str(one)) for one in ids]
    if has_numbers:
        np.save(folder / "ids.npy", np.array(ids, np.int64))
    else:
        write_texts(folder / "ids", cast("list[bytes]", stored))
    np.save(folder / "ids.order.npy", np.array(sorted(range(len(ids)), key=stored.__getitem__), np.int32))
    titles = catalog.column(TITLE, every)
    if titles is not None:
        write_texts(folder / "titles", [as_bytes("" if one is None else str(one)) for one in titles])
        np.save(folder / "titles.known.npy", np.array([one is not None for one in titles], bool))
    popular = np.argsort(-catalog.train_count[1:], kind="stable")
    texts = [str(ids[at] if titles is None or titles[at] is None else titles[at]) for at in popular.tolist()]
    write_titles(folder / "search", texts, (popular + 1).astype(np.int32))
    np.save(folder / "item_nodes.npy", catalog.item_nodes)
    np.save(folder / "train_count.npy", catalog.train_count)
    for at, labels in enumerate(catalog.labels.values()):
        np.save(folder / f"labels/{at}.count.npy", labels.train_count)
        if labels.of_item is not None:
            np.save(folder / f"labels/{at}.item.npy", labels.of_item)
    document = {
        "num_items": catalog.num_items,
        "ids": "numbers" if has_numbers else "text",
        "has_titles": titles is not None,
        "levels": [
            {"num_known": one.num_known, "names": one.names, "parents": one.parents.tolist()} for one in catalog.levels
        ],
        "labels": {task: labels.names for task, labels in catalog.labels.items()},
    }
    write_text(folder / "catalog.json", json.dumps(document, ensure_ascii=False) + "\n")


def _labels(folder: Path, at: int, names: list[str]) -> Labels:
    of_item = folder / f"labels/{at}.item.npy"
    return Labels(names, mapped(folder / f"labels/{at}.count.npy"), mapped(of_item) if of_item.is_file() else None)
