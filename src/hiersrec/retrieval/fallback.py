"""What fills a list when a session's candidates hold too few items: popular ones, first of the predicted categories.

The order of a list: items that the model ranked for the session; the most popular items of its likeliest category of
the finest predicted level, then of the next likeliest, and so on; the most popular items of all. Items of equal
popularity follow the order of item numbers.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from hiersrec.retrieval import order
from hiersrec.retrieval.ranking import ListRequest, earlier_equals, finest_nodes
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Float32, Int32, categories

IN_CATEGORY = "popular_in_category"
POPULAR = "popular"
CHUNK = 1024
"""Popular items looked at together."""


class Popularity:
    """Items by training events, most first, of all and of each category."""

    def __init__(self, catalog: ItemCatalog) -> None:
        self.catalog = catalog
        self.items = (np.argsort(-catalog.train_count[1:], kind="stable") + 1).astype(np.int32)
        """(N,) int32."""

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
