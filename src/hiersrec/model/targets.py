"""What followed each prefix of a batch: all that a task may learn from."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Taught:
    """What teachers say of the next item."""

    probs: Tensor
    """(B, N): probabilities of all items, without a gradient; class i is item i + 1."""
    share: float
    """Of the target, from 0 to 1."""


@dataclass(frozen=True)
class Targets:
    """Next events of B prefixes, or of every prefix of B sessions."""

    items: Tensor
    """(B,) int64, from 1."""
    event_types: Tensor | None = None
    """(B,) int64: n >= 1 is type n of the catalogue, 0 one that training never saw. None where events have no types."""
    every: bool = False
    """What followed each item of the sessions, not only the last: items (P,), P being the sum of the lengths."""
    taught: Taught | None = None
    """None where nobody teaches."""
