"""Which items are in stock: a list that clients replace as a whole, kept in a file that all workers share.

Nobody is told of a new list. Every worker looks at the file before each computation, which costs one `stat`, and reads
it if it is another one. So once the list is in place, no computation begins with the one before, on any worker. The
file is replaced by a rename and synced before: a kill or a power cut leaves the old list or the new one. It holds
external ids, so it survives a restart and another bundle; ids that a model does not know are kept for one that does.
"""

import json
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadInput, HiersrecError
from hiersrec.store.folder import new_file
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.json_form import check_form
from hiersrec.types import Bool, ExternalId

LOG = logging.getLogger("hiersrec")
KINDS = ("available", "unavailable")
FORM = {"format_version": int, "list": str, "ids": [(str, int)], "set_at": str}
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ItemList:
    """The ids that a client has sent, each once."""

    kind: str
    """One of KINDS: all other items are unavailable, or available."""
    ids: tuple[ExternalId, ...]
    set_at: str
    """UTC, as ISO 8601."""


@dataclass(frozen=True)
class Stock:
    """A list in the items of a catalogue."""

    items: ItemList
    flags: Bool
    """(N + 1,) whether each item may be listed; entry 0, padding, may not."""
    known: int
    """Ids of the list that the catalogue has."""


def default_file(bundle: Path) -> Path:
    """The file next to a bundle; a bundle itself is sealed. A link to a bundle has its own."""
    folder = bundle.absolute()
    return folder.with_name(f"{folder.name}.availability.json")


class Availability:
    """The current list of a file. Threads may share it.

    Raises BadInput if there is a file that is damaged. One that is damaged or unreadable later is logged, and the list
    before it stays. If there is no file, every item may be listed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._close: Callable[[], object] | None = None  # of the file, kept open so that no other gets its number
        self._identity: tuple[int, ...] | None = None
        self._list: ItemList | None = None
        self._stock: tuple[ItemCatalog, Stock] | None = None
        if not self.file.parent.is_dir():
            raise BadInput(f"There is no folder at {self.file.parent} for the list of available items. Make it first.")
        self._refresh()

    def replace(self, kind: str, ids: Sequence[ExternalId]) -> ItemList:
        """Put a list in place of the current one; it is on disk when this returns. Raises OSError if it can't be."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        new = ItemList(kind, tuple(dict.fromkeys(ids)), now)
        document = {"format_version": FORMAT_VERSION, "list": kind, "set_at": now, "ids": new.ids}
        with self._lock:
            with new_file(self.file) as temporary, temporary.open("w", encoding="ascii") as out:
                json.dump(document, out)
                out.flush()
                os.fsync(out.fileno())
            folder = os.open(self.file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # of the rename
            finally:
                os.close(folder)
        return new

    def stock(self, catalog: ItemCatalog) -> Stock | None:
        """The list in the file, in the items of a catalogue; None if there is none."""
        with self._lock:
            self._look()
            if self._list is None:
                return None
            if self._stock is None or self._stock[0] is not catalog or self._stock[1].items is not self._list:
                self._stock = (catalog, stock_of(self._list, catalog))
            return self._stock[1]

    def _look(self) -> None:
        try:
            self._refresh()
        except (OSError, HiersrecError) as error:
            LOG.error("The list of available items stays as it was: %s", error)

    def _refresh(self) -> None:
        """Read the file if it is another one than before. An error is raised once for each state of the file."""
        try:
            identity = _identity(self.file.stat())
            if identity == self._identity:
                return
            file = self.file.open("rb")
        except FileNotFoundError:
            identity, file = None, None
        except OSError as error:
            if self._identity != (error.errno or 0,):
                self._identity = (error.errno or 0,)
                raise BadInput(f"{self.file} can't be read: {error.strerror}.") from error
            return
        if self._close is not None:
            self._close()
        self._close = None if file is None else weakref.finalize(self, file.close)
        self._identity = None if file is None else _identity(os.fstat(file.fileno()))
        self._list = None if file is None else _parsed(file.read(), self.file)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def _parsed(content: bytes, file: Path) -> ItemList:
    """The list in a file. Raises BadInput."""
    way_out = "Send the list again, or stop the service and remove the file: then all items are available."
    try:
        document: Any = json.loads(content)
        check_form(document, FORM, file, way_out)
    except HiersrecError as error:
        raise BadInput(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is damaged ({error}). {way_out}") from error
    if document["format_version"] > FORMAT_VERSION or document["list"] not in KINDS:
        raise BadInput(f"{file} was written by a later version of hiersrec. Update it, or: {way_out}")
    return ItemList(document["list"], tuple(document["ids"]), document["set_at"])


def stock_of(items: ItemList, catalog: ItemCatalog) -> Stock:
    """A list in the items of a catalogue."""
    internal = catalog.to_internal(list(items.ids))
    is_named = np.zeros(catalog.num_items + 1, bool)
    is_named[internal] = True
    is_named[0] = items.kind == "unavailable"
    flags = is_named if items.kind == "available" else ~is_named
    return Stock(items, flags, int(np.count_nonzero(internal)))
