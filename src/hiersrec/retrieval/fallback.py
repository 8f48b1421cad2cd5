"""What fills a list when a session's candidates hold too few items: popular ones, first of the predicted categories.

The order of a list: items that the model ranked for the session; the most popular items of its likeliest category of
the finest predicted level, then of the next likeliest, and so on; the most popular items of all. Items of equal
popularity follow the order of item numbers.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from hiersrec.retrieval import order
from hiersrec.retrieval.ranking import ListRequest, Ranked, earlier_equals, finest_nodes
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Float32, Float64, Int32, categories

SESSION = "session"
"""Source of an item that the model ranked for the session."""
IN_CATEGORY = "popular_in_category"
POPULAR = "popular"
CHUNK = 1024
"""Popular items looked at together."""


class WholeList(NamedTuple):
    """The list of a session: the items that were ranked for it, then those that fill it."""

    items: Int32
    """(K,) int32."""
    scores: Float64
    """(K,) float64: the model's, then training events."""
    sources: list[str]
    """Of each item."""
    fallback: str | None
    """Source of the last item, or of an empty list, unless it is the session."""


class Popularity:
    """Items by training events, most first, of all and of each category."""

    def __init__(self, catalog: ItemCatalog) -> None:
        self.catalog = catalog

    @cached_property
    def items(self) -> Int32:
        """(N,) int32."""
        return (np.argsort(-self.catalog.train_count[1:], kind="stable") + 1).astype(np.int32)

    def whole_list(self, ranked: Ranked, row: int, seen: Int32, request: ListRequest) -> WholeList:
        """The list of the session in a row of `ranked`, whose known items are `seen` (S,)."""
        items, scores = ranked.items[row], ranked.scores[row].astype(np.float64)
        first = SESSION if len(seen) else POPULAR
        sources = [first] * len(items)
        if len(items) < min(request.k, self.catalog.num_items) and request.candidates.policy == "category":
            tasks = {task: of_task[row] for task, of_task in ranked.tasks.items()} if len(seen) else {}
            popular, their_sources = self.fill(items, tasks, seen, request)
            items = np.concatenate([items, popular])
            scores = np.concatenate([scores, self.catalog.train_count[popular]])
            sources += their_sources
        last = sources[-1] if sources else first
        return WholeList(items, scores, sources, None if last == SESSION else last)

    def fill(
        self, listed: Int32, tasks: Mapping[str, Float32], seen: Int32, request: ListRequest
    ) -> tuple[Int32, list[str]]:
        """Items to follow `listed` (K,) up to request.k, as far as there are, and the source of each.

        tasks: the classes' scores (C + 1,) of this session. seen: its items, for request.exclude_seen.
        """
        barred = np.concatenate([listed, seen if request.exclude_seen else seen[:0]])
        if request.never is not None:
            barred = np.concatenate([barred, request.never])
        filled, sources = listed, [""] * len(listed)
        nodes = finest_nodes(self.catalog)
        for source, items in self._stream(tasks):
            fresh = items[~np.isin(items, barred) & ~np.isin(items, filled)]
            if request.available is not None:
                fresh = fresh[request.available[fresh]]
            filled = np.concatenate([filled, fresh])
            sources += [source] * len(fresh)
            if request.per_category is not None:
                kept = np.flatnonzero(earlier_equals(nodes[filled]) < request.per_category)
                filled, sources = filled[kept], [sources[rank] for rank in kept]
            if len(filled) >= request.k:
                break
        return filled[len(listed) : request.k], sources[len(listed) : request.k]

    def _stream(self, tasks: Mapping[str, Float32]) -> Iterator[tuple[str, Int32]]:
        """Sources and their items, in the order above, in pieces; each item may come twice."""
        if levels := categories(tasks):
            level = max(levels)
            scores = levels[level]
            nodes = self.catalog.item_nodes[:, level - 1][self.items]  # (N,), by popularity
            [best], _ = order.top_k(scores[None], len(scores) - 1)
            for node in best[best > 0]:
                yield IN_CATEGORY, self.items[nodes == node]
        for start in range(0, len(self.items), CHUNK):
            yield POPULAR, self.items[start : start + CHUNK]
