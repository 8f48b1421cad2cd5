"""What a recommender asks for a batch of sessions, and what it gets: lists of items, by whichever way they are found.

`FullRanker` takes any scorer: it scores all items and removes what is not wanted. `IndexRanker` (index.py) takes an
encoder and reads the vectors of wanted items alone. Both keep the one order of order.py and the one rule of
candidates.py, so that the same model gives the same lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hiersrec.retrieval import order, scoring
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Batch, Explainer, Float32, Int32, Int64, ScorePart, Scorer


@dataclass(frozen=True, kw_only=True)
class ListRequest:
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

    def rank(self, batch: Batch, wanted: ListRequest) -> Ranked:
        """The best wanted items of each session. `batch` holds whole sessions, or as much as is at hand.

        A session without a known item is answered by popularity in training. Raises HiersrecError if a score is no
        number, BadInput if candidates need categories and the model predicts none.
        """
        ...

    @property
    def explains(self) -> bool:
        """Whether `explain` may be asked."""
        ...

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """Parts of the scores of `items` (K,) for a batch of one session; their values sum to the scores."""
        ...


class FullRanker:
    """A Ranker that scores all items of the catalogue; `scorer` may be any."""

    def __init__(self, scorer: Scorer, catalog: ItemCatalog) -> None:
        self.scorer = scorer
        self.catalog = catalog

    @property
    def max_length(self) -> int:
        """The scorer's."""
        return self.scorer.max_length

    def rank(self, batch: Batch, wanted: ListRequest) -> Ranked:
        """See Ranker."""
        scores = scoring.score(self.scorer, self.catalog, batch, wanted.exclude_seen, wanted.candidates)
        if wanted.only is not None:
            barred = np.ones(self.catalog.num_items + 1, bool)
            barred[wanted.only] = False
            scores.items[:, barred] = -np.inf
        if wanted.never is not None:
            scores.items[:, wanted.never] = -np.inf
        k = min(wanted.k, self.catalog.num_items)
        lists = [self._best(line, k, wanted.per_category) for line in scores.items]
        ranked = np.count_nonzero(scores.items > -np.inf, axis=1)
        return Ranked([items for items, _ in lists], [values for _, values in lists], scores.tasks, ranked)

    def _best(self, line: Float32, k: int, most: int | None) -> tuple[Int32, Float32]:
        """Items and scores of the list of one session, whose scores are `line` (N + 1,)."""

        def best(size: int) -> tuple[Int32, Float32]:
            [items], [values] = order.top_k(line[None], size)
            listed = items > 0
            return items[listed], values[listed]

        if most is None:
            return best(k)
        return at_most_per_category(best, finest_nodes(self.catalog), most, k)

    @property
    def explains(self) -> bool:
        """Whether the scorer is an Explainer."""
        return isinstance(self.scorer, Explainer)

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """See Ranker."""
        assert isinstance(self.scorer, Explainer)
        return self.scorer.explain(batch, items)


def finest_nodes(catalog: ItemCatalog) -> Int32:
    """(N + 1,) int32: node of each item at the finest level, the same for all where there are no levels.

    Items of which no level is known are one category, as all that lack a level under one parent are.
    """
    nodes = catalog.item_nodes
    return nodes[:, -1] if nodes.shape[1] else np.zeros(len(nodes), np.int32)


def at_most_per_category(
    best: Callable[[int], tuple[Int32, Float32]], nodes: Int32, most: int, k: int
) -> tuple[Int32, Float32]:
    """The first k items of an endless list of which no category has more than `most`.

    best(n) gives the n best items and scores, or fewer where there are no more. nodes: (N + 1,) category of each item.
    """
    size = 2 * k
    while True:
        items, scores = best(size)
        kept = turns(nodes[items]) < most
        if len(items) < size or np.count_nonzero(kept) >= k:
            return items[kept][:k], scores[kept][:k]
        size *= 4


def turns(values: Int32) -> Int64:
    """How many equal values stand before each: (K,) int64. [7, 7, 3, 7] -> [0, 1, 0, 2]."""
    order_of = np.argsort(values, kind="stable")
    ordered = values[order_of]
    first = np.searchsorted(ordered, ordered)
    turn = np.empty(len(values), np.int64)
    turn[order_of] = np.arange(len(values)) - first
    return turn
