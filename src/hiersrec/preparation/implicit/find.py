"""The whole of it: graph, vectors, clusters, names, and agreement with the categories that are replaced."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from hiersrec.preparation.columns import TITLE, shown_name
from hiersrec.preparation.implicit import embedding, naming
from hiersrec.preparation.implicit.agreement import agreement
from hiersrec.preparation.implicit.choosing import choose
from hiersrec.preparation.implicit.clustering import clusters
from hiersrec.preparation.items import ItemsTable
from hiersrec.preparation.settings import Implicit
from hiersrec.preparation.tree import Names
from hiersrec.store.sessions import Sessions
from hiersrec.types import Say


@dataclass(frozen=True)
class ImplicitCategories:
    """Implicit categories of N items, for the catalogue and dataset.json."""

    paths: list[Names]
    """Names of the N items, coarse to fine; None for items that no training session has."""
    facts: dict[str, Any]
    """Entry `implicit` of dataset.json."""
    agreement: list[dict[str, Any]]
    """Agreement with each level of the items table; empty if it has none."""


def find(
    train: Sessions,
    valid: Sessions,
    vocabulary: pa.Table,
    items: ItemsTable | None,
    implicit: Implicit,
    seed: int,
    say: Say,
) -> ImplicitCategories:
    """Implicit categories of the items of `vocabulary` (item_id, train_count, sorted by item).

    Vectors and clusters are computed only from `train`; `valid` chooses the number of clusters if that is "auto". The
    result is the same with any number of threads. Raises BadInput if there are more clusters than distinct items.
    """
    # Imported before the threads are limited: the limit does not reach libraries that are loaded later.
    import sklearn.cluster  # noqa: F401
    import sknetwork.embedding  # noqa: F401

    say(f"prepare: find implicit categories in {len(train):,} training sessions")
    with threadpool_limits(limits=1):  # with more threads, the order of summation is not fixed
        edges, known = embedding.graph(train)
        vectors = embedding.vectors(edges, seed)
        count = np.concatenate([[0], vocabulary["train_count"].to_numpy()])
        curve = None
        if implicit.auto:
            cluster_of, curve = choose(vectors, known, count, train, valid, seed, say)
        else:
            cluster_of = clusters(vectors, implicit.clusters, seed)
    rows = None if items is None else pc.index_in(vocabulary["item_id"], value_set=items.ids.combine_chunks())
    titles = _titles(vocabulary, items, rows)
    depth = cluster_of.shape[1]
    paths: list[Names] = [(None,) * depth] * len(vocabulary)
    named = naming.paths(cluster_of, count[known], [titles[item - 1] for item in known])
    for item, path in zip(known, named, strict=True):
        paths[item - 1] = path
    sizes = [len(np.unique(cluster_of[:, level])) for level in range(depth)]
    say(f"prepare: {' > '.join(f'{size:,}' for size in sizes)} implicit categories of {len(known):,} items")
    facts = {
        "method": "GSVD of the session-item graph, k-means",
        "clusters": sizes,
        "width": vectors.shape[1],
        "items": len(known),
        "curve": curve,
    }
    return ImplicitCategories(paths, facts, _agreement(paths, items, rows))


def _titles(vocabulary: pa.Table, items: ItemsTable | None, rows: Any) -> list[str]:
    """Title of each item, or its id if it has none."""
    ids = [str(item_id) for item_id in vocabulary["item_id"].to_pylist()]
    names = [] if items is None else items.others.column_names
    title = next((name for name in names if shown_name(name, names) == TITLE), None)
    if items is None or title is None:
        return ids
    titles = items.others[title].take(rows).to_pylist()
    return [("" if title is None else str(title).strip()) or id_ for title, id_ in zip(titles, ids, strict=True)]


def _agreement(paths: list[Names], items: ItemsTable | None, rows: Any) -> list[dict[str, Any]]:
    if items is None or not items.paths or not items.paths[0]:
        return []
    missing: Names = (None,) * len(items.paths[0])
    return agreement(paths, [missing if row is None else items.paths[row] for row in rows.to_pylist()])
