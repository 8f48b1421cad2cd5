"""Items like an item: the nearest by the cosine of the vectors that the model compares with the session.

similarity(i, j) = vector_i . vector_j / (|vector_i| |vector_j|), 0 where a vector is zero
"""

import numpy as np

from hiersrec.retrieval import order
from hiersrec.retrieval.ranking import ListRequest, Ranker, best_of_request
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Float32, Int32

AT_ONCE = 2**24
"""Similarities held at a time, 64 MB of them."""


def most_similar(
    ranker: Ranker, catalog: ItemCatalog, items: Int32, request: ListRequest
) -> list[tuple[Int32, Float32]]:
    """Of each item (K,) the most similar others that may be listed, and their similarities; ties by item number."""
    lists = []
    barred = np.zeros(catalog.num_items + 1, bool)
    if request.only is not None:
        barred[:] = True
        barred[request.only] = False
    if request.never is not None:
        barred[request.never] = True
    if request.available is not None:
        barred |= ~request.available
    barred[0] = True
    group = max(1, AT_ONCE // (catalog.num_items + 1))
    for start in range(0, len(items), group):
        chosen = items[start : start + group]
        scores = ranker.similarities(chosen)
        scores[:, barred] = -np.inf
        scores[np.arange(len(chosen)), chosen] = -np.inf
        lists += [_best(line, catalog, request) for line in scores]
    return lists


def _best(scores: Float32, catalog: ItemCatalog, request: ListRequest) -> tuple[Int32, Float32]:
    def best(k: int) -> tuple[Int32, Float32]:
        [listed], [values] = order.top_k(scores[None], k)
        return listed[listed > 0], values[listed > 0]

    return best_of_request(best, catalog, request)
