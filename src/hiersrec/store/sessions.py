"""Sessions of one split, as two flat arrays on disk, and their prefixes, as positions in them.

    items.npy      (E,) int32: items of all sessions, concatenated; n >= 1 is item n of the catalogue, n < 0 an item
                   that training never saw (each has its own number)
    offsets.npy    (S + 1,) int64: session s is items[offsets[s] : offsets[s + 1]]
    sessions.parquet   session_id (as given), in the same order
    event_type.npy (E,) int32, only where the events have types: n >= 1 is type n of the catalogue, 0 one that training
                   never saw

A prefix is identified by the position p of its target: it holds the known items of p's session before p. Unseen items
are left out of prefixes, as in serving, and count as misses as targets.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hiersrec.store.arrow import read_parquet
from hiersrec.types import Int32, Int64

if TYPE_CHECKING:  # serving imports this module, and its light install has no PyArrow
    import pyarrow as pa

EVENT_TYPE = "event_type.npy"


@dataclass(frozen=True)
class Sessions:
    """Sessions of one split; arrays may be memory maps."""

    items: Int32
    offsets: Int64
    session_ids: "pa.ChunkedArray | None" = None
    event_types: Int32 | None = None
    last_only: bool = False
    """Whether only the last item of each session is a target, as the split leave-last has it; else every item but the
    first. The newest of them have the same; sessions that are put together have False."""

    @classmethod
    def open(cls, folder: Path) -> "Sessions":
        """Memory-map the arrays of a split's folder."""
        items = np.load(folder / "items.npy", mmap_mode="r")
        offsets = np.load(folder / "offsets.npy", mmap_mode="r")
        ids = read_parquet(folder / "sessions.parquet", memory_map=True)["session_id"]
        types = folder / EVENT_TYPE
        return cls(items, offsets, ids, np.load(types, mmap_mode="r") if types.is_file() else None)

    @classmethod
    def from_lists(cls, sessions: list[list[int]], event_types: list[list[int]] | None = None) -> "Sessions":
        """Sessions held in memory, for live requests and tests."""
        offsets = np.cumsum([0, *map(len, sessions)], dtype=np.int64)
        types = None if event_types is None else _flat(event_types)
        return cls(_flat(sessions), offsets, None, types)

    def newest(self, share: float) -> "Sessions":
        """The last `share` of the sessions, at least one; prepare writes them in the order of time."""
        first = len(self) - min(len(self), max(1, round(share * len(self))))
        start = self.offsets[first]
        ids = None if self.session_ids is None else self.session_ids[first:]
        types = None if self.event_types is None else self.event_types[start:]
        return Sessions(self.items[start:], self.offsets[first:] - start, ids, types, self.last_only)

    def followed_by(self, others: "Sessions") -> "Sessions":
        """These sessions and then the others, in memory."""
        types = None
        if self.event_types is not None and others.event_types is not None:
            types = np.concatenate([self.event_types, others.event_types])
        offsets = np.concatenate([self.offsets, self.offsets[-1] + others.offsets[1:]])
        return Sessions(np.concatenate([self.items, others.items]), offsets, None, types)

    def among(self, others: "Sessions") -> "Sessions":
        """Both parts in the order of time, in memory, if they are random samples of the same time.

        Approximate: a session's relative position in its part is taken for its position in the whole.
        """
        both = self.followed_by(others)
        position = np.concatenate([(np.arange(count) + 0.5) / max(1, count) for count in (len(self), len(others))])
        order = np.argsort(position, kind="stable")
        return both.take(order)

    def without(self, others: "Sessions") -> "Sessions":
        """The sessions whose id is not among those of `others`, in memory."""
        import pyarrow.compute as pc

        assert self.session_ids is not None, "only sessions of a folder have ids"
        assert others.session_ids is not None, "only sessions of a folder have ids"
        is_other = pc.is_in(self.session_ids, value_set=others.session_ids.combine_chunks())
        return self.take(np.flatnonzero(~is_other.to_numpy()))

    def take(self, rows: Int64) -> "Sessions":
        """Some sessions in another order, in memory."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        events = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])  # (E,)
        types = None if self.event_types is None else self.event_types[events]
        return Sessions(self.items[events], offsets, None, types)

    def of_events(self) -> Int64:
        """(E,) int64: index of each event's session."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def prefix_counts(self) -> Int64:
        """(S,) int64: prefixes of each session, one for each item that is not its first, whatever the split counts."""
        counts: Int64 = np.maximum(np.diff(self.offsets) - 1, 0)
        return counts

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, session: int) -> Int32:
        return self.items[self.offsets[session] : self.offsets[session + 1]]


@dataclass(frozen=True)
class Prefixes:
    """P prefixes of sessions."""

    sessions: Sessions
    positions: Int64
    """(P,) int64: position of each prefix's target in `sessions.items`."""

    @classmethod
    def of(cls, sessions: Sessions) -> "Prefixes":
        """The prefixes whose targets count: every one, or the last of each session if the split has it so."""
        return cls.last(sessions) if sessions.last_only else cls.every(sessions)

    @classmethod
    def every(cls, sessions: Sessions) -> "Prefixes":
        """Every prefix: one for each item that is not the first of its session."""
        is_target = np.ones(len(sessions.items), bool)
        is_target[sessions.offsets[:-1][np.diff(sessions.offsets) > 0]] = False
        return cls(sessions, np.flatnonzero(is_target))

    @classmethod
    def last(cls, sessions: Sessions) -> "Prefixes":
        """The longest prefix of each session, whose target is the last item."""
        long = np.diff(sessions.offsets) > 1
        return cls(sessions, np.asarray(sessions.offsets[1:])[long] - 1)

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def _known(self) -> tuple[Int32, Int64]:
        """The known items of all sessions, and how many of them precede each position, (E + 1,)."""
        known = np.asarray(self.sessions.items) > 0
        before = np.concatenate([[0], np.cumsum(known)]).astype(np.int64)
        return (self.sessions.items if known.all() else self.sessions.items[known]), before

    def session_of(self, rows: Int64) -> Int64:
        """(R,) int64: index of each prefix's session."""
        return np.searchsorted(self.sessions.offsets, self.positions[rows], side="right").astype(np.int64) - 1

    def bounds(self, rows: Int64) -> tuple[Int64, Int64]:
        """Start and end of each prefix in the flat array of known items, (R,) each."""
        _, before = self._known
        return before[self.sessions.offsets[self.session_of(rows)]], before[self.positions[rows]]

    @cached_property
    def lengths(self) -> Int32:
        """(P,) int32: number of known items in each prefix."""
        start, end = self.bounds(np.arange(len(self)))
        return (end - start).astype(np.int32)

    def targets(self, rows: Int64) -> Int32:
        """(R,) int32: the next item; negative where training never saw it."""
        return np.asarray(self.sessions.items[self.positions[rows]])

    def event_types(self, rows: Int64) -> Int32 | None:
        """(R,) int32: type of the next event, 0 where training never saw it; None if the events have no types."""
        types = self.sessions.event_types
        return None if types is None else np.asarray(types[self.positions[rows]])

    def gather(self, rows: Int64, max_length: int) -> tuple[Int32, Int32]:
        """The last `max_length` known items of each prefix, right-padded: items (R, T) int32 and lengths (R,) int32."""
        flat, _ = self._known
        start, end = self.bounds(rows)
        start = np.maximum(start, end - max_length)
        lengths = (end - start).astype(np.int32)
        width = max(1, int(lengths.max(initial=0)))
        index = start[:, None] + np.arange(width)  # (R, T)
        inside = np.arange(width) < lengths[:, None]  # (R, T)
        items = np.zeros(index.shape, np.int32)
        items[inside] = flat[index[inside]]
        return items, lengths


def _flat(lists: list[list[int]]) -> Int32:
    return np.array([value for values in lists for value in values], np.int32)
