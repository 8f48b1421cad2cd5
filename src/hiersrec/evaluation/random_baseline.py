"""What chance would give for new items: baselines that know a category and order its items at random (expected values).

New items are those without a training session. Popularity puts them last in their category, below chance, so the
baseline to beat is chance itself:

    random_within_category/...             is told the finest known category of the target; an item without any
                                           category counts as one of the whole catalogue
    random_within_predicted_category/...   knows what the scorer knows: takes its likeliest category of the finest level
                                           that it predicts, and misses where that is wrong

The first is told what no scorer is told. To compare the two, a third number tells the scorer too:

    within_category/...                    the scorer's own order of the items of the target's category

Values are means over the prefixes of the slice `cold_start: target new`, to be compared with that row. A target outside
the catalogue is a miss, here as there. The baselines order all items of their category, including seen items and items
that are not candidates.
"""

from collections.abc import Mapping

import numpy as np

from hiersrec.evaluation import metrics
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.retrieval import order
from hiersrec.store.catalog import Catalog
from hiersrec.types import CATEGORY, Float32, Float64, Int32, Int64


def hits(sizes: Int64, k: int) -> Float64:
    """Expected hits@k of one of n items in random order, min(1, k / n): sizes n (P,), 0 is a miss -> (P,) float64.

    >>> hits(np.array([1, 2, 4, 0]), k=2).tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    return np.where(sizes > 0, np.minimum(1.0, k / np.maximum(sizes, 1)), 0.0)


def mrr(sizes: Int64, k: int) -> Float64:
    """Expected mrr@k of one of n items in random order, (1 + 1/2 + ... + 1/min(n, k)) / n: as for `hits`.

    >>> mrr(np.array([1, 2, 4, 0]), k=2).tolist()
    [1.0, 0.75, 0.375, 0.0]
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, k + 1))])
    return harmonic[np.minimum(sizes, k)] / np.maximum(sizes, 1)


def ranks(catalog: Catalog, scores: Float32, target: Int32) -> Int64:
    """Rank of each new target among the items of its finest known category: (B,) int64, 0 for all other targets.

    scores: (B, N + 1) float32; target: (B,) int32, 0 or less outside the catalogue, which is not ranked either.
    """
    within = np.zeros(len(target), np.int64)
    new = np.flatnonzero((target > 0) & (catalog.train_count[np.maximum(target, 0)] == 0))
    inside = np.ones((len(new), catalog.num_items + 1), bool)
    for level in range(1, len(catalog.levels) + 1):
        category = _known(catalog, level)
        of_target = category[target[new]]  # (R,)
        inside[of_target > 0] = category == of_target[of_target > 0, None]
    within[new] = order.ranks(np.where(inside, scores[new], np.float32(-np.inf)), target[new]).exact
    return within


def within_category(
    catalog: Catalog, items: Outcomes, tasks: Mapping[str, Outcomes], inside: Int64
) -> dict[str, float]:
    """Name -> value of the metrics above; empty if no new target is in the catalogue.

    tasks: outcomes of the scorer's other tasks by name; the second baseline needs a category level. inside: (P,) int64,
    the `ranks` of all prefixes.
    """
    is_new = catalog.train_count[np.maximum(items.target, 0)] == 0
    target = items.target[is_new]
    if not (target > 0).any():
        return {}
    sizes = np.full(len(target), catalog.num_items)
    for level in range(1, len(catalog.levels) + 1):
        level_sizes = _sizes(catalog, level, target)
        sizes = np.where(level_sizes > 0, level_sizes, sizes)
    baselines = {"random_within_category": np.where(target > 0, sizes, 0)}
    if levels := [int(name.removeprefix(CATEGORY)) for name in tasks if name.startswith(CATEGORY)]:
        is_right = tasks[f"{CATEGORY}{max(levels)}"].rank[is_new] == 1
        baselines["random_within_predicted_category"] = np.where(is_right, _sizes(catalog, max(levels), target), 0)
    expected = {name: metric for name, metric in (("mrr", mrr), ("hits", hits)) if name in items.names}
    numbers = {
        f"{baseline}/{name}@{k}": float(metric(category_sizes, k).mean())
        for baseline, category_sizes in baselines.items()
        for name, metric in expected.items()
        for k in items.ks
    }
    own = metrics.Results.of_ranks(inside[is_new])
    return numbers | {
        f"within_category/{name}@{k}": float(metrics.load(name).values(own, k).mean())
        for name in expected
        for k in items.ks
    }


def _sizes(catalog: Catalog, level: int, target: Int64) -> Int64:
    """(P,) int64: items in the target's category of one level, 0 where it is unknown."""
    category = _known(catalog, level)
    counts = np.bincount(category)
    counts[0] = 0
    return counts[category[np.maximum(target, 0)]]


def _known(catalog: Catalog, level: int) -> Int32:
    """(N + 1,) int32: known category of each item at one level, 0 where unknown."""
    category = catalog.labels[f"{CATEGORY}{level}"].of_item
    assert category is not None, "categories are labels of items"
    return category
