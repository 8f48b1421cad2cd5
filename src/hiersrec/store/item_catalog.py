"""What ranking and recommending need to know about the items.

`Catalog` (catalog.py) reads it from Parquet; `BundleCatalog` (bundle_catalog.py) needs only numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from hiersrec.errors import BadInput, repr_of
from hiersrec.store.labels import Labels
from hiersrec.types import ExternalId, Int32, Int64


@dataclass(frozen=True)
class Level:
    """One category level: C known nodes, then the unknown ones."""

    num_known: int
    """C, the nodes that can be predicted."""
    names: list[str | None]
    """Name of each node; None for padding (node 0) and unknown nodes."""
    parents: Int32
    """Parent of each node, one level up; 0 at level 1."""

    @property
    def num_nodes(self) -> int:
        """Known and unknown nodes, without padding."""
        return len(self.names) - 1

    @cached_property
    def families(self) -> tuple[Int64, Int32, Int64]:
        """Nodes (n,) sorted by parent, the parents (p,) that have any, ascending, and where each one's begin."""
        order = np.argsort(self.parents[1:], kind="stable") + 1
        parents = self.parents[order]
        starts = np.flatnonzero(np.diff(parents, prepend=-1))
        return order, parents[starts], starts


class ItemCatalog(Protocol):
    """N items, each with its id, its category path and its popularity in training."""

    @property
    def num_items(self) -> int:
        """N, the number of items without padding."""

    @property
    def levels(self) -> Sequence[Level]:
        """The tree, coarse to fine."""

    @property
    def item_nodes(self) -> Int32:
        """(N + 1, L) int32: node of each item at each level; row 0 is zero."""

    @property
    def train_count(self) -> Int64:
        """(N + 1,) int64: interactions of each item in the training sessions; entry 0 is zero."""

    @property
    def labels(self) -> dict[str, Labels]:
        """The classes of each auxiliary task that these items allow, by the task's name."""

    def to_internal(self, item_ids: list[ExternalId]) -> Int32:
        """External ids -> (K,) int32, 0 where unknown. Raises BadInput for values that can't be ids (`stored_id`)."""

    def to_external(self, items: Int32) -> list[ExternalId]:
        """(K,) internal ids from 1 -> external ids as the user gave them."""

    def column(self, name: str, items: Int32) -> list[Any] | None:
        """Values of a display column ("title") for (K,) internal ids, or None if there is no such column."""

    def path(self, item: int) -> list[str | None]:
        """Names of an item's categories, coarse to fine; None where a level is missing."""


def known_nodes(catalog: ItemCatalog, items: Int32 | slice = slice(None)) -> Int32:
    """(K, L) int32: category of items (K,), of all and padding by default, at each level; 0 where it is unknown."""
    known = np.array([level.num_known for level in catalog.levels], np.int32)
    nodes = catalog.item_nodes[items]
    return np.where(nodes <= known, nodes, 0).astype(np.int32)


def stored_id(item_id: ExternalId, are_numbers: bool) -> ExternalId | None:
    """An id in the type in which the catalogue stores ids, integers or text; None where it can't be converted.

    Raises BadInput for values that are neither text nor an integer, such as None, 1.0, b"a" or True.
    """
    if not isinstance(item_id, str | int | np.integer) or isinstance(item_id, bool):
        raise BadInput(f"An item id is text or a whole number, got {repr_of(item_id)}. Give it as the items have it.")
    try:
        if not are_numbers:
            return str(item_id)
        return int(item_id) if not isinstance(item_id, str) or item_id.strip().removeprefix("-").isdecimal() else None
    except ValueError:  # Python converts no number of more than 4,300 digits to text, or back
        return None
