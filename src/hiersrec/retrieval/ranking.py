"""Requests and ranked lists, and the ranker that scores all items.

`FullRanker` takes any scorer: it scores all items and removes those that may not be listed. `IndexRanker` (index.py)
takes an encoder and reads only the vectors of items that may be listed. Both keep the one order of order.py and the one
rule of candidates.py, so that the same model gives the same lists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from hiersrec.retrieval import order, scoring
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.diversity import diversified, known_paths, pool_size
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Batch, Bool, Explainer, Float32, Int32, Int64, ScorePart, Scorer, VectorScorer


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
    offsets: Float32 | None = None
    """(N + 1,) what a shop adds to the score of each item, finite; None for nothing. Sessions without a known item have
    no scores but counts, to which nothing is added."""
    available: Bool | None = None
    """(N + 1,) whether each item may be listed; None: all. Unlike `only` it is meant for most of the catalogue."""
    diversity: float = 0.0
    """From 0 to 1: how much the distance of the listed items in the category tree counts against their scores, see
    diversity.py. With 0 lists are in the order of scores."""


@dataclass(frozen=True)
class Ranked:
    """Lists of B sessions, best first: items[b] and scores[b] (at most k,) int32 and float32."""

    items: list[Int32]
    scores: list[Float32]
    tasks: Mapping[str, Float32]
    """As Scores.tasks; for a session without a known item, counts of training events."""
    ranked: Int64
    """(B,) items that got a score and may be listed."""


class Ranker(Protocol):
    """A model with its items, ready to list."""

    @property
    def max_length(self) -> int:
        """The longest session it looks at; of longer ones it takes the newest items."""

    def rank(self, batch: Batch, request: ListRequest) -> Ranked:
        """The best items of each session that may be listed. `batch` holds whole sessions, or as much as there is.

        A session without a known item is answered by popularity in training. Raises HiersrecError if a score
        is NaN or infinite, BadInput if candidates need categories and the model predicts none.
        """

    @property
    def compares(self) -> bool:
        """Whether `similarities` may be called: the model has a vector of each item."""

    def similarities(self, items: Int32) -> Float32:
        """Cosines of the vectors of items (K,) with those of all: (K, N + 1) float32; column 0 means nothing.

        0 where a vector is zero.
        """

    @property
    def explains(self) -> bool:
        """Whether `explain` may be called."""

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """Parts of the scores of `items` (K,) for a batch of one session, as Explainer (types.py) has them."""


class FullRanker:
    """A Ranker that scores all items of the catalogue; `scorer` may be any."""

    def __init__(self, scorer: Scorer, catalog: ItemCatalog) -> None:
        self.scorer = scorer
        self.catalog = catalog

    @property
    def max_length(self) -> int:
        return self.scorer.max_length

    def rank(self, batch: Batch, request: ListRequest) -> Ranked:
        scores = scoring.score(self.scorer, self.catalog, batch, request.exclude_seen, request.candidates)
        if request.offsets is not None:
            scores.items[batch.lengths > 0] += request.offsets
        if request.only is not None:
            barred = np.ones(self.catalog.num_items + 1, bool)
            barred[request.only] = False
            scores.items[:, barred] = -np.inf
        if request.never is not None:
            scores.items[:, request.never] = -np.inf
        if request.available is not None:
            scores.items[:, ~request.available] = -np.inf
        lists = [self._best(line, request) for line in scores.items]
        ranked = np.count_nonzero(scores.items > -np.inf, axis=1)
        return Ranked([items for items, _ in lists], [values for _, values in lists], scores.tasks, ranked)

    def _best(self, scores: Float32, request: ListRequest) -> tuple[Int32, Float32]:
        """The list of one session, with scores (N + 1,)."""

        def best(k: int) -> tuple[Int32, Float32]:
            [items], [values] = order.top_k(scores[None], k)
            listed = items > 0
            return items[listed], values[listed]

        return best_of_request(best, self.catalog, request)

    @cached_property
    def _unit_vectors(self) -> Float32:
        assert isinstance(self.scorer, VectorScorer), "asked before: `compares`"
        vectors = self.scorer.item_vectors()
        return vectors / lengths(vectors)[:, None]

    @property
    def compares(self) -> bool:
        return isinstance(self.scorer, VectorScorer)

    def similarities(self, items: Int32) -> Float32:
        """See Ranker."""
        unit = self._unit_vectors
        return np.pad(unit[items - 1] @ unit.T, ((0, 0), (1, 0)))

    @property
    def explains(self) -> bool:
        return isinstance(self.scorer, Explainer)

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        assert isinstance(self.scorer, Explainer)
        return self.scorer.explain(batch, items)


def lengths(vectors: Float32) -> Float32:
    """Length of each vector (N, d), 1 for one of zeros, so that it can be divided by: (N,) float32."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    return np.where(squares > 0, np.sqrt(squares), 1).astype(np.float32)


def finest_nodes(catalog: ItemCatalog) -> Int32:
    """(N + 1,) int32: node of each item at the finest level, the same for all where there are no levels.

    Items without any known level are one category, as all that lack a level under one parent are.
    """
    nodes = catalog.item_nodes
    return nodes[:, -1] if nodes.shape[1] else np.zeros(len(nodes), np.int32)


def best_of_request(
    best: Callable[[int], tuple[Int32, Float32]], catalog: ItemCatalog, request: ListRequest
) -> tuple[Int32, Float32]:
    """The items and scores of a request's list.

    best(n) gives the n best items that may be listed and their scores, or fewer where there are no more.
    """
    k = min(request.k, catalog.num_items)
    if not request.diversity:
        return _capped(best, k, catalog, request)
    items, scores = _capped(best, min(pool_size(k), catalog.num_items), catalog, request)
    chosen = diversified(known_paths(catalog, items), scores, k, request.diversity)
    return items[chosen], scores[chosen]


def _capped(
    best: Callable[[int], tuple[Int32, Float32]], k: int, catalog: ItemCatalog, request: ListRequest
) -> tuple[Int32, Float32]:
    """The k best with no more of a category than the request allows."""
    if request.per_category is None:
        return best(k)
    nodes, size = finest_nodes(catalog), 2 * k
    while True:
        items, scores = best(size)
        kept = earlier_equals(nodes[items]) < request.per_category
        if len(items) < size or np.count_nonzero(kept) >= k:
            return items[kept][:k], scores[kept][:k]
        size *= 4


def earlier_equals(values: Int32) -> Int64:
    """How many equal values precede each: (K,) int64. [7, 7, 3, 7] -> [0, 1, 0, 2]."""
    sort = np.argsort(values, kind="stable")
    ordered = values[sort]
    counts = np.empty(len(values), np.int64)
    counts[sort] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return counts
