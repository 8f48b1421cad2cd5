"""A catalogue as a bundle keeps it: flat arrays and one blob of bytes, mapped into memory, read with numpy alone.

    catalog.json      numbers of items and kind of their ids, the levels (names, parents), the tasks and their classes
    ids.npy           (N,) int64; or for text ids.bin and ids.starts.npy, see `_Texts`
    ids.order.npy     (N,) int32: places of the ids, from 0, in ascending order of id
    titles.*          as for text ids, with titles.known.npy (N,) bool, where items have titles
    search.*          texts that `find` looks through, the most popular item's first; search.items.npy: whose they are
    item_nodes.npy    (N + 1, L) int32            labels/AT.count.npy  (C + 1,) int64, of the task at that place
    train_count.npy   (N + 1,) int64              labels/AT.item.npy   (N + 1,) int32, where the class is the item's

Opening it reads catalog.json alone, whatever the number of items, and processes share the rest.
"""

import json
from bisect import bisect_left, bisect_right
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from hiersrec.store.folder import write_text
from hiersrec.store.known import Known, Level
from hiersrec.store.labels import Labels
from hiersrec.store.mapped import mapped
from hiersrec.types import ExternalId, Int32, Int64

TITLE = "title"


class PackedCatalog:
    """A Known (known.py) in a folder that `pack` wrote."""

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
        self._ids: _Texts | memoryview = (
            memoryview(mapped(folder / "ids.npy")) if self._has_numbers else _Texts(folder / "ids")
        )
        self._order = memoryview(mapped(folder / "ids.order.npy"))
        self._titles = _Texts(folder / "titles") if document["has_titles"] else None
        self._has_title = mapped(folder / "titles.known.npy") if document["has_titles"] else None
        self._search = folder / "search"

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown; text becomes a number where the catalogue has numbers."""
        if self._has_numbers:
            return np.array([self._number(one) for one in item_ids], np.int32)
        return np.array([self._place(_bytes(str(one))) for one in item_ids], np.int32)

    def _number(self, one: ExternalId) -> int:
        if isinstance(one, str):
            if not one.strip().removeprefix("-").isdecimal():
                return 0
            one = int(one)
        return self._place(one)

    def _place(self, wanted: bytes | int) -> int:
        """The item with an id as it is stored, or 0."""
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
        words = [_bytes(word) for word in _folded(query).split(" ")]
        blob, starts, items = self._searched
        found = _holding(blob, starts, [b"\n" + b" ".join(words)], limit, set())
        found += _holding(blob, starts, words, limit - len(found), set(found))
        return items[np.array(found, np.int64)]

    @cached_property
    def _searched(self) -> tuple[bytes, memoryview, Int32]:
        """The texts as lines that begin with a line feed, where each begins, and whose it is.

        Bytes, not a map: they are searched several times faster, and processes that don't search don't have them.
        """
        return (
            self._search.with_suffix(".bin").read_bytes(),
            memoryview(mapped(self._search.with_suffix(".starts.npy"))),
            mapped(self._search.with_suffix(".items.npy")),
        )


class _Texts:
    """N texts in UTF-8, one after the other in NAME.bin; NAME.starts.npy (N + 1,) int64 says where each begins."""

    def __init__(self, path: Path) -> None:
        self._blob = _mapped_bytes(path.with_suffix(".bin"))
        self._starts = memoryview(mapped(path.with_suffix(".starts.npy")))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, at: int) -> bytes:
        return bytes(self._blob[self._starts[at] : self._starts[at + 1]])


def pack(catalog: Known, folder: Path) -> None:
    """Write a catalogue's ids, titles, levels and labels into a new `folder`."""
    (folder / "labels").mkdir(parents=True)
    every = np.arange(1, catalog.num_items + 1, dtype=np.int32)
    ids = catalog.to_external(every)
    has_numbers = all(isinstance(one, int) for one in ids)
    stored = ids if has_numbers else [_bytes(str(one)) for one in ids]
    if has_numbers:
        np.save(folder / "ids.npy", np.array(ids, np.int64))
    else:
        _write_texts(folder / "ids", cast("list[bytes]", stored))
    np.save(folder / "ids.order.npy", np.array(sorted(range(len(ids)), key=stored.__getitem__), np.int32))
    titles = catalog.column(TITLE, every)
    if titles is not None:
        _write_texts(folder / "titles", [_bytes("" if one is None else str(one)) for one in titles])
        np.save(folder / "titles.known.npy", np.array([one is not None for one in titles], bool))
    popular = np.argsort(-catalog.train_count[1:], kind="stable")
    texts = [str(ids[at] if titles is None or titles[at] is None else titles[at]) for at in popular.tolist()]
    _write_texts(folder / "search", [b"\n" + _bytes(_folded(text)) for text in texts])
    np.save(folder / "search.items.npy", (popular + 1).astype(np.int32))
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


def _write_texts(path: Path, texts: list[bytes]) -> None:
    path.with_suffix(".bin").write_bytes(b"".join(texts))
    np.save(path.with_suffix(".starts.npy"), np.cumsum([0, *map(len, texts)], dtype=np.int64))


def _labels(folder: Path, at: int, names: list[str]) -> Labels:
    of_item = folder / f"labels/{at}.item.npy"
    return Labels(names, mapped(folder / f"labels/{at}.count.npy"), mapped(of_item) if of_item.is_file() else None)


def _mapped_bytes(path: Path) -> memoryview:
    if path.stat().st_size == 0:  # which can't be mapped
        return memoryview(b"")
    blob: Any = np.asarray(np.memmap(path, np.uint8, "r"))
    return memoryview(blob)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # half a character, as JSON may hold, is found nowhere


def _folded(text: str) -> str:
    """Without case, and with single blanks between the words."""
    return " ".join(text.casefold().split())


def _holding(blob: bytes, starts: memoryview, words: list[bytes], limit: int, passed: set[int]) -> list[int]:
    """The first `limit` lines that hold all words and are not in `passed`, ascending."""
    rarest = min(words, key=blob.count) if len(words) > 1 else words[0]
    found: list[int] = []
    at = blob.find(rarest)
    while 0 <= at < len(blob) and len(found) < limit:
        line = bisect_right(starts, at) - 1
        end = starts[line + 1]
        if line not in passed and all(blob.find(word, starts[line], end) >= 0 for word in words):
            found.append(line)
        at = blob.find(rarest, end)
    return found
