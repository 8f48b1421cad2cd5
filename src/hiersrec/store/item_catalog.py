"""What ranking and recommending need to know of the items: a catalogue, or what a bundle keeps of one.

`Catalog` (catalog.py) is one, read from Parquet; `PackedCatalog` (bundle_catalog.py) is one that needs numpy alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.store.labels import Labels
from hiersrec.types import ExternalId, Int32, Int64


@dataclass(frozen=True)
class Level:
    """One category level. names[node] and parents[node] for node = 0 (padding), 1..C known, then unknown ones."""

    num_known: int
    names: list[str | None]
    parents: Int32

    @property
    def num_nodes(self) -> int:
        """Known and unknown nodes, padding not counted."""
        return len(self.names) - 1


class ItemCatalog(Protocol):
    """N items, each with its id, its category path and its popularity in training."""

    @property
    def num_items(self) -> int:
        """N."""
        ...

    @property
    def levels(self) -> Sequence[Level]:
        """The tree, coarse to fine."""
        ...

    @property
    def item_nodes(self) -> Int32:
        """(N + 1, L) int32: node of each item at each level; row 0 is zero."""
        ...

    @property
    def train_count(self) -> Int64:
        """(N + 1,) int64: interactions of each item in the training sessions; entry 0 is zero."""
        ...

    @property
    def labels(self) -> dict[str, Labels]:
        """What each auxiliary task can predict on these items, by the task's name."""
        ...

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown. Raises BadInput for what is no id, see `as_kept`."""
        ...

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""
        ...

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Values of a display column ("title") for internal ids, or None if there is no such column."""
        ...

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""
        ...


_IDS = (str, int, np.integer)


def as_kept(one: ExternalId, are_numbers: bool) -> ExternalId | None:
    """An id as a catalogue keeps its ids, as whole numbers or as text; None where it can't be one of them.

    Raises BadInput for what is neither text nor a whole number, such as None, 1.0, b"a" or True.
    """
    if not isinstance(one, _IDS) or isinstance(one, bool):
        raise BadInput(f"An item id is text or a whole number, got {repr_of(one)}. Give it as the items have it.")
    try:
        if not are_numbers:
            return str(one)
        return int(one) if not isinstance(one, str) or one.strip().removeprefix("-").isdecimal() else None
    except ValueError:  # Python makes no text of a number of more than 4,300 digits, and no number of such a text
        return None


def repr_of(value: object) -> str:
    """A value that a caller gave, for a message: at most 60 characters."""
    try:
        return f"{value!r:.60}"
    except ValueError:
        return "a number of more than 4,300 digits"
