"""How many clusters: as many as foretell the next item of the validation sessions best.

The rule that foretells is the least hierarchy there is: the next item stays in the cluster of the last one with a
probability s, and inside it is drawn by popularity; else it is drawn from all items by popularity. Wide clusters say
little of the item, narrow ones are left too often, so the rule is least surprised in between. Measures of its best 20
items have no such maximum: on Diginetica their MRR@20 still grows where clusters have ten items.
"""

from collections.abc import Callable

import numpy as np

from hiersrec.errors import BadInput
from hiersrec.prepare.implicit.clustering import clusters, places
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Float32, Int64

MOST = 4096
"""Clusters that are tried at most: k-means takes long beyond, and that many are hardly categories."""
LEAST_ITEMS = 4
"""Items that a cluster must have on average."""
FALLS = 2
"""Numbers after the best one that are tried before the search ends."""

Curve = list[dict[str, float]]


def choose(
    vectors: Float32,
    items: Int64,
    train_count: Int64,
    train: Sessions,
    valid: Sessions,
    seed: int,
    say: Callable[[str], None],
) -> tuple[Int64, Curve]:
    """Clusters (M, 1) int64 of the best number among 2, 4, 8, ..., and the whole curve.

    vectors: (M, W). items: (M,) their numbers. train_count: (N + 1,). The curve has entries {"clusters",
    "perplexity"}. Raises BadInput if there are too few items to try a number.
    """
    apart = len(places(vectors)[0])
    most = min(MOST, apart // LEAST_ITEMS)
    if most < 2:
        raise BadInput(
            f"--implicit-categories auto needs at least {2 * LEAST_ITEMS} items that training sessions tell apart, got "
            f"{apart}. Give a number of clusters."
        )
    curve: Curve = []
    best, best_at = np.zeros((len(items), 1), np.int64), 0
    size = 2
    while size <= most and len(curve) <= best_at + FALLS:
        found = clusters(vectors, [size], seed)
        cluster_of = np.zeros(len(train_count), np.int64)
        cluster_of[items] = found[:, 0] + 1
        curve.append({"clusters": size, "perplexity": perplexity(cluster_of, train_count, train, valid)})
        say(f"prepare: {size:,} clusters have perplexity {curve[-1]['perplexity']:,.1f} on validation")
        if len(curve) == 1 or curve[-1]["perplexity"] < curve[best_at]["perplexity"]:
            best, best_at = found, len(curve) - 1
        size *= 2
    return best, curve


def perplexity(cluster: Int64, train_count: Int64, train: Sessions, valid: Sessions) -> float:
    """exp(mean surprise) of the rule about the next items of `valid`: as unsure as if so many items were alike.

    cluster: (N + 1,) int64 of each item, 0 is none. train_count: (N + 1,) int64. s is the share of the steps in `train`
    that stay in a cluster. Every item counts one event more than it has, and every cluster its items more, so that
    nothing is impossible; after an item without a cluster the rule draws from all items.
    """
    seen = train_count + 1.0
    seen[0] = 0  # padding
    last, following = _steps(train)
    stays = (np.sum(cluster[last] == cluster[following]) + 1) / (len(last) + 2)
    last, following = _steps(valid)
    anywhere = seen[following] / seen.sum()
    inside = seen[following] / np.bincount(cluster, seen)[cluster[following]]
    same = cluster[last] == cluster[following]
    chance = np.where(cluster[last] > 0, stays * same * inside + (1 - stays) * anywhere, anywhere)
    return float(np.exp(-np.mean(np.log(chance))))


def _steps(sessions: Sessions) -> tuple[Int64, Int64]:
    """Last and next item of every step of the sessions, (P,) each."""
    items, following = np.asarray(sessions.items, np.int64), Prefixes.every(sessions).positions
    return items[following - 1], items[following]
