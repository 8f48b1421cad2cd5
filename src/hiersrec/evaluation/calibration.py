"""Calibration: whether the likeliest item, or category of a level, is right as often as its probability says.

The probability of the likeliest class, its confidence, is a softmax of the scores. Prefixes are divided into bins by
it, and the expected calibration error is the mean over the bins, weighted by their prefixes, of the difference between
how often the class is right there and how confident the model is (Guo, Pleiss, Sun and Weinberger, On Calibration of
Modern Neural Networks, ICML 2017, with their 15 bins of equal width):

    ECE = sum over the bins m of |B_m| / P * |accuracy(B_m) - confidence(B_m)|

All prefixes with a known item count. The likeliest category is wrong where the next item has none at that level, and
everything is where it is not in the catalogue: a model that is never asked whether a level ends is overconfident there.
A session without a known item is answered by counts, which are no logits.
"""

from typing import TypedDict

import numpy as np

from hiersrec.evaluation.sharding import Share
from hiersrec.store.catalog import Catalog
from hiersrec.store.paths import PATH, node_scores
from hiersrec.store.sessions import Prefixes
from hiersrec.types import CATEGORY, Float32, Float64, Int32, Int64, LogitScorer, Scorer, Scores, categories

BINS = 15
ITEM = "item"
UNIT = 2**32
"""Confidences are summed as whole multiples of 1 / UNIT: in any order, and over processes, the sum is the same."""
AT_ONCE = 2**17
"""Scores whose exponentials are computed at a time, so that they stay in the cache."""
LEAST = -80
"""Scores that are further below the greatest are taken for this: together they still add nothing, and the exponentials
of lower ones, which are denormal, take ten times as long."""


class Bin(TypedDict):
    """The prefixes whose confidence is above `low` and at most `high`; empty bins are left out."""

    low: float
    high: float
    prefixes: int
    confidence: float
    accuracy: float


class Calibration(TypedDict):
    """Of one task. confidence and accuracy are means over its prefixes."""

    prefixes: int
    confidence: float
    accuracy: float
    ece: float
    bins: list[Bin]


class Counter:
    """Counts of one task in each bin, filled batch by batch in any order."""

    def __init__(self) -> None:
        self.counts = np.zeros((3, BINS), np.int64)
        """Prefixes, those whose likeliest class is right, and the sum of the confidences in UNITs."""

    def add(self, scores: Float32, target: Int32 | Int64) -> None:
        """Scores (B, C + 1), logits; target (B,), the class that came, 0 or less for none of them."""
        best = scores.argmax(axis=1)
        confidence = confidences(scores, scores[np.arange(len(best)), best])
        bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        units = np.rint(confidence * UNIT)
        for row, weights in enumerate((None, best == target, units)):
            self.counts[row] += np.bincount(bins, weights, BINS).astype(np.int64)


def confidences(scores: Float32, top: Float32) -> Float64:
    """Probability (B,) of the likeliest class under a softmax of scores (B, C + 1), whose greatest are `top` (B,)."""
    sums = np.empty(len(scores))
    rows = max(1, AT_ONCE // scores.shape[1])
    for start in range(0, len(scores), rows):
        part = slice(start, start + rows)
        weights = scores[part] - top[part, None]
        np.maximum(weights, LEAST, out=weights)
        sums[part] = np.exp(weights, out=weights).sum(axis=1)
    return 1 / sums


class Counters:
    """Counters of the items and of every category level that a scorer predicts."""

    def __init__(self, catalog: Catalog, prefixes: Prefixes) -> None:
        self.catalog = catalog
        self.is_empty = prefixes.lengths == 0
        self.of_task: dict[str, Counter] = {}

    def add(self, rows: Int64, scores: Scores, target: Int32) -> None:
        """The scores of a batch, the prefixes (B,) of its rows, and their next items (B,), 0 or less where unseen."""
        counted = ~self.is_empty[rows] & (scores.items.max(axis=1, initial=-np.inf) > -np.inf)
        nodes = self.catalog.item_nodes[np.maximum(target, 0)]  # (B, L), zeros for an unseen item
        classes = {ITEM: (scores.items, target)}
        levels = scores.categories
        if PATH in scores.tasks:  # then the end of a path is predicted too
            levels = categories(node_scores(self.catalog.levels, scores.tasks[PATH]))
        classes |= {f"{CATEGORY}{level}": (values, nodes[:, level - 1]) for level, values in levels.items()}
        for task, (values, label) in classes.items():
            counter = self.of_task.setdefault(task, Counter())
            counter.add(values if counted.all() else values[counted], label[counted])

    def results(self, share: Share) -> dict[str, Calibration]:
        """Task -> its calibration, over the prefixes of all processes; tasks without any are left out."""
        totals = {task: share.total(counter.counts) for task, counter in self.of_task.items()}
        return {task: calibration(counts) for task, counts in totals.items() if counts[0].any()}


def of_scorer(scorer: Scorer, catalog: Catalog, prefixes: Prefixes) -> Counters | None:
    """None for a scorer whose scores are not logits: they say which item is likelier, and not how likely it is."""
    return Counters(catalog, prefixes) if isinstance(scorer, LogitScorer) else None


def calibration(counts: Int64) -> Calibration:
    """Of counts (3, BINS), as Counter has them, at least one.

    Two prefixes are told with 0.5, and one of them is right; two with 0.9, and both are right:

    >>> counter = Counter()
    >>> counter.add(np.log(np.float32([[0, 0.5, 0.3, 0.2], [0, 0.5, 0.3, 0.2]]) + 1e-30), np.array([1, 3]))
    >>> counter.add(np.log(np.float32([[0, 0.05, 0.9, 0.05]] * 2) + 1e-30), np.array([2, 2]))
    >>> result = calibration(counter.counts)
    >>> [(round(row["confidence"], 4), row["accuracy"], row["prefixes"]) for row in result["bins"]]
    [(0.5, 0.5, 2), (0.9, 1.0, 2)]
    >>> round(result["ece"], 4)  # 2/4 * |0.5 - 0.5| + 2/4 * |1 - 0.9|
    0.05
    """
    size, right, confidence = counts[0], counts[1], counts[2] / UNIT
    bins = [
        Bin(
            low=m / BINS,
            high=(m + 1) / BINS,
            prefixes=int(size[m]),
            confidence=float(confidence[m] / size[m]),
            accuracy=float(right[m] / size[m]),
        )
        for m in np.flatnonzero(size).tolist()
    ]
    total = int(size.sum())
    return Calibration(
        prefixes=total,
        confidence=float(confidence.sum() / total),
        accuracy=float(right.sum() / total),
        ece=float(np.abs(right - confidence).sum() / total),
        bins=bins,
    )
