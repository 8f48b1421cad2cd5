"""Slices: the same metrics for parts of the split, to see where a scorer is good and where it is not.

prefix_length        known items in the prefix
target_popularity    interactions of the target in training
target_in_prefix     whether the target was already seen in the session
category_switch      whether the target is outside the finest known category of the last known item of the prefix
target_category      level-1 category of the target: the most frequent ones, and all others as one slice
cold_start           whether the target is new, else whether an item before it is (including unknown ones, which the
                     scorer ignores). New items are in no training session: those outside the catalogue and those with
                     train_count 0, which includes items that only validation sessions have
"""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np

from hiersrec.evaluation.outcomes import Outcomes, means
from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import known_nodes
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Bool, Int32, Int64

LENGTHS = {"0": 0, "1": 1, "2": 2, "3": 3, "4-5": 5, "6-10": 10, "11+": None}
"""Slice -> its greatest length; None is unbounded."""
COUNTS = {"0": 0, "1-9": 9, "10-99": 99, "100-999": 999, "1000+": None}
"""Slice -> its greatest number of training interactions."""
CATEGORIES = 20
"""Categories with a slice of their own."""


class Slice(TypedDict):
    """One row: metrics are means over its prefixes; empty slices are left out."""

    slice: str
    prefixes: int
    metrics: dict[str, float]


def of_items(prefixes: Prefixes, catalog: Catalog, items: Outcomes) -> dict[str, list[Slice]]:
    """Slices of the next-item metrics."""
    known, values = np.maximum(items.target, 0), items.values()
    parts = {
        "prefix_length": _bucketed(prefixes.lengths, LENGTHS),
        "target_popularity": _bucketed(catalog.train_count[known], COUNTS),
        "target_in_prefix": _either(_repeated(prefixes)),
        "cold_start": _cold_start(prefixes, catalog),
    }
    if catalog.levels:
        parts["category_switch"] = _switches(prefixes, catalog, known)
        nodes = np.where(items.target > 0, catalog.item_nodes[known, 0], -1)
        parts["target_category"] = _categories(nodes, catalog.levels[0].names)
    return {
        name: [
            Slice(slice=label, prefixes=int(chosen.sum()), metrics=means(values, chosen))
            for label, chosen in slices
            if chosen.any()
        ]
        for name, slices in parts.items()
    }


def _bucketed(values: Int32 | Int64, buckets: dict[str, int | None]) -> Iterator[tuple[str, Bool]]:
    least = -1
    for label, most in buckets.items():
        yield label, (values > least) & (values <= (values.max() if most is None else most))
        least = least if most is None else most


def _either(yes: Bool) -> Iterator[tuple[str, Bool]]:
    yield "yes", yes
    yield "no", ~yes


def _cold_start(prefixes: Prefixes, catalog: Catalog) -> Iterator[tuple[str, Bool]]:
    stored = prefixes.sessions
    is_new = catalog.train_count[np.maximum(stored.items, 0)] == 0  # entry 0 is zero: outside the catalogue is new
    before = np.concatenate([[0], np.cumsum(is_new)])  # new items before each flat position
    start = stored.offsets[prefixes.session_of(np.arange(len(prefixes)))]
    target_new, holds_new = is_new[prefixes.positions], before[prefixes.positions] > before[start]
    yield "target new", target_new
    yield "session holds new items", ~target_new & holds_new
    yield "all known", ~target_new & ~holds_new


def _switches(prefixes: Prefixes, catalog: Catalog, target: Int64) -> Iterator[tuple[str, Bool]]:
    """target: (P,) known items, 0 where the target is not in the catalogue.

    The last item's finest category may be of any level; the target stays if it has the same category there. A target
    that lacks that level has left the category, and one without any category is unknown.
    """
    is_known = known_nodes(catalog) > 0  # (N + 1, L)
    last = _last_known(prefixes)
    finest = len(catalog.levels) - 1 - is_known[last][:, ::-1].argmax(axis=1)
    stays: Bool = catalog.item_nodes[last, finest] == catalog.item_nodes[target, finest]
    has_category = np.asarray(is_known.any(axis=1))  # (N + 1,)
    both = has_category[last] & has_category[target]
    yield "stays", both & stays
    yield "switches", both & ~stays
    yield "unknown", ~both


def _last_known(prefixes: Prefixes) -> Int64:
    """(P,) the last known item of each prefix, 0 where it has none."""
    items = np.asarray(prefixes.sessions.items)
    newest = np.maximum.accumulate(np.where(items > 0, np.arange(len(items)), -1))[prefixes.positions - 1]
    start = prefixes.sessions.offsets[prefixes.session_of(np.arange(len(prefixes)))]
    return np.where(newest >= start, items[newest], 0).astype(np.int64)


def _repeated(prefixes: Prefixes) -> Bool:
    """(P,) whether the target occurs earlier in its session."""
    items = np.asarray(prefixes.sessions.items).astype(np.int64)
    session = prefixes.sessions.of_events()
    order = np.lexsort((items, session))  # stable: equal items of a session stay in order of time
    same = (np.diff(items[order]) == 0) & (np.diff(session[order]) == 0)
    is_repeat = np.zeros(len(items), bool)
    is_repeat[order[1:]] = same
    return is_repeat[prefixes.positions]


def _categories(nodes: Int32, names: list[str | None]) -> Iterator[tuple[str, Bool]]:
    """The most frequent known categories, most frequent first (ties: by node), then the rest."""
    known = (nodes > 0) & np.array([name is not None for name in names])[np.maximum(nodes, 0)]
    counts = np.bincount(nodes[known], minlength=len(names))
    shown = np.argsort(-counts, kind="stable")[:CATEGORIES]
    for node in shown[counts[shown] > 0]:
        yield str(names[node]), nodes == node
    yield "other categories", known & ~np.isin(nodes, shown)
    yield "unknown category", (nodes >= 0) & ~known
    yield "item not in the catalogue", nodes < 0
