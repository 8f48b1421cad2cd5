"""What a recommender asks for a batch of sessions, and what it gets: lists of items, by whichever way they are found.

`FullRanker` takes any scorer: it scores all items and removes what is not wanted. `IndexRanker` (index.py) takes an
encoder and reads the vectors of wanted items alone. Both keep the one order of order.py and the one rule of
candidates.py, so that the same model gives the same lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.types import Batch, Float32, Int32, Int64, Part


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which items may be listed, and how many. Items are internal numbers."""

    k: int = 20
    """Length of the lists, from 1."""
    candidates: Candidates = ALL
    """The items that are ranked for each session."""
    exclude_seen: bool = False
    """Items of the session are not listed, nor those too old for the model to look at."""
    only: Int32 | None = None
    """(M,) the items that may be listed, ascending and each once; None for all."""
    never: Int32 | None = None
    """(M,) items that may not be listed, in any order; None for none."""
    per_category: int | None = None
    """Most items of one category of the finest level, from 1; items without one count as one category. None: any."""


@dataclass(frozen=True)
class Ranked:
    """Lists of B sessions, best first: items[b] and scores[b] (at most k,) int32 and float32."""

    items: list[Int32]
    scores: list[Float32]
    tasks: Mapping[str, Float32]
    """As Scores.tasks; where nothing of a session is known, counts of the training events."""
    ranked: Int64
    """(B,) items that got a score and might have been listed."""


class Ranker(Protocol):
    """A model with its items, ready to list."""

    @property
    def max_length(self) -> int:
        """The longest session it looks at; of longer ones it takes the newest items."""
        ...

    def rank(self, batch: Batch, wanted: Wanted) -> Ranked:
        """The best wanted items of each session. `batch` holds whole sessions, or as much as is at hand.

        A session without a known item is answered by popularity in training. Raises HiersrecError if a score is no
        number, BadInput if candidates need categories and the model predicts none.
        """
        ...

    @property
    def explains(self) -> bool:
        """Whether `explain` may be asked."""
        ...

    def explain(self, batch: Batch, items: Int32) -> list[Part]:
        """Addends of the scores of `items` (K,) for a batch of one session; their values sum to the scores."""
        ...


def at_most_per_category(
    best: Callable[[int], tuple[Int32, Float32]], nodes: Int32, most: int, k: int
) -> tuple[Int32, Float32]:
    """The first k items of an endless list of which no category has more than `most`.

    best(n) gives the n best items and scores, or fewer where there are no more. nodes: (N + 1,) category of each item.
    """
    size = 2 * k
    while True:
        items, scores = best(size)
        kept = _turn(nodes[items]) < most
        if len(items) < size or np.count_nonzero(kept) >= k:
            return items[kept][:k], scores[kept][:k]
        size *= 4


def _turn(values: Int32) -> Int64:
    """How many equal values stand before each: (K,) int64. [7, 7, 3, 7] -> [0, 1, 0, 2]."""
    order_of = np.argsort(values, kind="stable")
    ordered = values[order_of]
    first = np.searchsorted(ordered, ordered)
    turn = np.empty(len(values), np.int64)
    turn[order_of] = np.arange(len(values)) - first
    return turn
