"""Training sessions -> steps: the batches of an epoch, as tensors on the device that trains.

An example is a row: consecutive items of a session, and what followed. With `positions = "last"` the rows are all
prefixes, and each trains only on what followed its last item. With "all" the rows are whole sessions, and each item
trains on what followed it: every prefix is trained too, but read once. A session longer than the model takes is then
cut into pieces from its oldest item on, and prefixes begin with their piece.

The items of all sessions stay on the device; a step moves only the offsets and lengths of its rows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hiersrec.model.targets import Targets
from hiersrec.store.batches import shuffled_rows
from hiersrec.store.sessions import Sessions
from hiersrec.types import Int32, Int64


class Step(NamedTuple):
    """A batch of training."""

    items: Tensor
    """(B, T) int64, right-padded with 0."""
    lengths: Tensor
    """(B,) int64, from 1."""
    targets: Targets


@dataclass(frozen=True)
class Examples:
    """R rows of the flat items."""

    items: Tensor
    """(E,) int32: items of all sessions one after another."""
    event_types: Tensor | None
    """(E,) int32, where events have types."""
    starts: Int64
    """(R,): offset of the first item of a row."""
    lengths: Int32
    """(R,): items of a row; what followed the last of them is at starts + lengths."""
    every: bool
    """Whether each item of a row trains on what followed it, or only the last."""

    def __len__(self) -> int:
        """Number of prefixes that an epoch trains."""
        return int(self.lengths.sum()) if self.every else len(self.lengths)

    def count(self, rows: Int64) -> int:
        """Number of prefixes that `rows` train."""
        return int(self.lengths[rows].sum()) if self.every else len(rows)

    def batches(self, size: int, seed: int, epoch: int) -> list[Int64]:
        """Rows of an epoch in random batches that train about `size` prefixes each; (seed, epoch) decides the order."""
        return shuffled_rows(self.lengths, size, seed, epoch, self.lengths if self.every else None)

    def step(self, rows: Int64) -> Step:
        """The tensors of `rows`, on the device of the items."""
        device = self.items.device
        starts = torch.from_numpy(self.starts[rows]).to(device)
        lengths = torch.from_numpy(self.lengths[rows].astype(np.int64)).to(device)
        positions = torch.arange(int(self.lengths[rows].max()), device=device)  # (T,)
        inside = positions < lengths[:, None]  # (B, T)
        offsets = starts[:, None] + positions  # (B, T)
        items = torch.where(inside, self.items[offsets.clamp(max=len(self.items) - 1)], 0).long()
        next_offsets = offsets[inside] + 1 if self.every else starts + lengths
        types = None if self.event_types is None else self.event_types[next_offsets].long()
        return Step(items, lengths, Targets(self.items[next_offsets].long(), types, self.every))


def examples_of(sessions: Sessions, max_length: int, every: bool, device: torch.device) -> Examples:
    """The rows of training sessions, whose items are all known, for a model that takes `max_length` items."""
    items = np.array(sessions.items)  # a copy: the sessions may be a read-only memory map
    assert (items > 0).all(), "the catalogue has every item of the training sessions"
    types = None if sessions.event_types is None else torch.from_numpy(np.array(sessions.event_types)).to(device)
    starts, lengths = (pieces if every else _prefixes)(sessions, max_length)
    return Examples(torch.from_numpy(items).to(device), types, starts, lengths, every)


def _prefixes(sessions: Sessions, max_length: int) -> tuple[Int64, Int32]:
    """Starts and lengths of every prefix, cut to its newest items."""
    counts = sessions.prefix_counts()
    first = np.repeat(sessions.offsets[:-1], counts)
    ends = first + _numbers(counts) + 1
    starts = np.maximum(first, ends - max_length)
    return starts, (ends - starts).astype(np.int32)


def pieces(sessions: Sessions, max_length: int) -> tuple[Int64, Int32]:
    """Starts and lengths (R,) of sessions without their last item, cut into pieces of at most `max_length` items."""
    whole = sessions.prefix_counts()  # items of a session without its last
    counts = -(-whole // max_length)  # pieces of each session
    before = _numbers(counts) * max_length  # items of the session before the piece
    lengths = np.minimum(np.repeat(whole, counts) - before, max_length)
    return np.repeat(sessions.offsets[:-1], counts) + before, lengths.astype(np.int32)


def _numbers(counts: Int64) -> Int64:
    """0, 1, ... within each group, for groups of `counts` rows."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
