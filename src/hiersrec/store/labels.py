"""Labels of auxiliary tasks: the category of the next item, its value in an item column, or the type of the next event.

The tasks are named "category_LEVEL", "column_NAME" and "event_type". Classes run from 1 to C; class 0 is unknown, it
adds no loss and is never predicted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hiersrec.store.sessions import Sessions
from hiersrec.types import Int32, Int64

COLUMN = "column_"
EVENT_TYPE = "event_type"


@dataclass(frozen=True)
class Labels:
    """The classes of one task."""

    names: list[str]
    """Names of the classes; class c has names[c - 1]."""
    train_count: Int64
    """(C + 1,) int64: training events of each class; entry 0 is zero."""
    of_item: Int32 | None
    """(N + 1,) int32: class of each item, 0 where unknown; None if the class is the event's own."""

    @property
    def num_known(self) -> int:
        """C, the number of known classes."""
        return len(self.names)

    def of_events(self, sessions: Sessions) -> Int32:
        """(E,) int32: class of each event of a split, 0 where unknown."""
        if self.of_item is not None:
            return self.of_item[np.maximum(sessions.items, 0)]
        if sessions.event_types is None:  # sessions of another dataset, whose events have no types
            return np.zeros(len(sessions.items), np.int32)
        return np.asarray(sessions.event_types)


def of_items(names: Sequence[str | None], codes: Int32, train_count: Int64) -> Labels:
    """Labels decided by the item: `names` of the known classes, in order; `codes` (N + 1,), above C where unknown."""
    known = [str(name) for name in names]
    classes = np.where(codes <= len(known), codes, 0).astype(np.int32)
    counts = np.bincount(classes, weights=train_count, minlength=len(known) + 1).astype(np.int64)
    counts[0] = 0
    return Labels(known, counts, classes)


def of_event_types(train_count: Mapping[str, int]) -> Labels:
    """Labels decided by the event; `train_count` maps each type to its training events, in the order of the codes."""
    return Labels(list(train_count), np.array([0, *train_count.values()], np.int64), None)
