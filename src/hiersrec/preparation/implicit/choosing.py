"""The number of clusters that predicts the next item of the validation sessions best.

The model that predicts is the simplest hierarchy: with probability s the next item is in the cluster of the last one,
drawn by popularity within it; otherwise it is drawn from all items by popularity. Large clusters say little about the
item, small ones are left too often, so its perplexity has a minimum in between. Metrics of its top 20 items have no
such optimum: on Diginetica its MRR@20 still grows with clusters of ten items.
"""

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.preparation.implicit.clustering import clusters, distinct
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Float32, Int64, Say

MAX_CLUSTERS = 4096
"""More clusters are not tried: k-means gets slow, and clusters get too small for categories."""
MIN_ITEMS = 4
"""Items per cluster, on average."""
PATIENCE = 2
"""Sizes tried after the best one before the search ends."""

Curve = list[dict[str, float]]


def choose(
    vectors: Float32, items: Int64, train_count: Int64, train: Sessions, valid: Sessions, seed: int, say: Say
) -> tuple[Int64, Curve]:
    """Clusters (M, 1) int64 of the best number among 2, 4, 8, ..., and the perplexity of each number tried.

    vectors: (M, W). items: (M,) their numbers. train_count: (N + 1,). The curve has entries {"clusters",
    "perplexity"}. Raises BadInput if there are too few items to try a number.
    """
    num_distinct = len(distinct(vectors)[0])
    max_size = min(MAX_CLUSTERS, num_distinct // MIN_ITEMS)
    if max_size < 2:
        raise BadInput(
            f"--implicit-categories auto needs at least {2 * MIN_ITEMS} items with distinct vectors, got "
            f"{num_distinct}. Give a number of clusters."
        )
    curve: Curve = []
    best, best_index = np.zeros((len(items), 1), np.int64), 0
    size = 2
    while size <= max_size and len(curve) <= best_index + PATIENCE:
        labels = clusters(vectors, [size], seed)
        cluster_of = np.zeros(len(train_count), np.int64)
        cluster_of[items] = labels[:, 0] + 1
        curve.append({"clusters": size, "perplexity": perplexity(cluster_of, train_count, train, valid)})
        say(f"prepare: {size:,} clusters have perplexity {curve[-1]['perplexity']:,.1f} on validation")
        if len(curve) == 1 or curve[-1]["perplexity"] < curve[best_index]["perplexity"]:
            best, best_index = labels, len(curve) - 1
        size *= 2
    return best, curve


def perplexity(cluster: Int64, train_count: Int64, train: Sessions, valid: Sessions) -> float:
    """Perplexity of the model on the next items of `valid`: exp(mean negative log probability).

    cluster: (N + 1,) int64 of each item, 0 is none. train_count: (N + 1,) int64. s is the share of the steps in `train`
    that stay in a cluster. Counts are smoothed: one more event per item, so no probability is 0. After an item without
    a cluster the model draws from all items.
    """
    count = train_count + 1.0
    count[0] = 0  # padding
    last, following = _steps(train)
    stay = (np.sum(cluster[last] == cluster[following]) + 1) / (len(last) + 2)
    last, following = _steps(valid)
    overall = count[following] / count.sum()
    within = count[following] / np.bincount(cluster, count)[cluster[following]]
    same = cluster[last] == cluster[following]
    probability = np.where(cluster[last] > 0, stay * same * within + (1 - stay) * overall, overall)
    return float(np.exp(-np.mean(np.log(probability))))


def _steps(sessions: Sessions) -> tuple[Int64, Int64]:
    """Last and next item of every step of the sessions, (P,) each."""
    items, following = np.asarray(sessions.items, np.int64), Prefixes.of(sessions).positions
    return items[following - 1], items[following]
