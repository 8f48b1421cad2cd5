"""The row of each item's vector, such that the items of a category are a few ranges of rows.

Items are sorted by category path, and inside the finest node by popularity (training events, then item number). A
node's rows are one range [start, stop) where the levels form a tree, else several. I' (candidates.py) is then a union
of ranges, found without looking at the items:

    layout.of_top({1: scores, 2: scores}, top=6)    [[120, 164], [901, 1377], ...]: ascending, disjoint, not touching

On disk, as .npy files: order, place (here `row_of`), num_known, and for level 1, ...: runs_1, first_1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from hiersrec.store.memory_map import mapped
from hiersrec.types import Bool, Float32, Int32, Int64

LOOKED_AT = 64
"""Best categories that are put in order at first to fill a share; more only if all of these fit."""


@dataclass(frozen=True)
class Layout:
    """The order of N items and the ranges of every category of L levels."""

    order: Int32
    """(N,) int32: item of each row."""
    row_of: Int32
    """(N + 1,) int32: row of each item, from 0; entry 0 is -1."""
    num_known: Int64
    """(L,) int64: C, the known nodes of each level; only these have ranges."""
    runs: Sequence[Int64]
    """Per level, coarse to fine, (R, 2) int64: ranges [start, stop) of its nodes, node after node."""
    first: Sequence[Int64]
    """Per level (C + 2,) int64: the ranges of node n are entries first[n] to first[n + 1] of its runs."""
    _apart: dict[tuple[int, ...], Int64] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, item_nodes: Int32, num_known: Sequence[int], train_count: Int64) -> "Layout":
        """Lay out items: item_nodes (N + 1, L), num_known (L,) the known nodes of each level, train_count (N + 1,)."""
        keys = (-train_count[1:], *reversed(item_nodes[1:].T))  # the last one decides first; equal ones by number
        sorted_items = (np.lexsort(keys) + 1).astype(np.int32)
        row_of = np.full(len(train_count), -1, np.int32)
        row_of[sorted_items] = np.arange(len(sorted_items), dtype=np.int32)
        runs, first = [], []
        for level, known in enumerate(num_known):
            nodes = item_nodes[sorted_items, level]  # (N,)
            ranges = _equal_runs(nodes)
            of_run = nodes[ranges[:, 0]]
            by_node = np.argsort(of_run, kind="stable")
            bounds = np.searchsorted(of_run[by_node], np.arange(known + 2))
            runs.append(ranges[by_node][: bounds[-1]])
            first.append(bounds.astype(np.int64))
        return cls(sorted_items, row_of, np.array(num_known, np.int64), runs, first)

    def save(self, folder: Path) -> None:
        """Make the folder and write .npy files into it."""
        folder.mkdir(parents=True)
        np.save(folder / "order.npy", self.order)
        np.save(folder / "place.npy", self.row_of)
        np.save(folder / "num_known.npy", self.num_known)
        for level, (runs, first) in enumerate(zip(self.runs, self.first, strict=True), start=1):
            np.save(folder / f"runs_{level}.npy", runs)
            np.save(folder / f"first_{level}.npy", first)

    @classmethod
    def open(cls, folder: Path) -> "Layout":
        """Read what `save` wrote; the arrays with an entry for each item are memory-mapped."""
        order, row_of = (mapped(folder / f"{name}.npy") for name in ("order", "place"))
        num_known = np.load(folder / "num_known.npy")
        runs, first = (
            [np.load(folder / f"{name}_{level}.npy") for level in range(1, len(num_known) + 1)]
            for name in ("runs", "first")
        )
        return cls(order, row_of, num_known, runs, first)

    @property
    def num_items(self) -> int:
        return len(self.order)

    @cached_property
    def everything(self) -> Int64:
        """(1, 2) int64: all rows as one range; (0, 2) where there is no item."""
        return np.array([[0, self.num_items]] if self.num_items else np.zeros((0, 2)), np.int64)

    def node_ranges(self, level: int, nodes: Int64) -> Int64:
        """Ranges (R, 2) int64 of known nodes (K,) of a level (from 1), node after node."""
        ranges: Int64
        if (one_each := self._one_each[level - 1]) is not None:
            ranges = one_each[nodes]
            return ranges
        runs, first = self.runs[level - 1], self.first[level - 1]
        begin, end = first[nodes], first[nodes + 1]
        counts = end - begin
        ranges = runs[np.repeat(end - counts.cumsum(), counts) + np.arange(counts.sum())]
        return ranges

    def chosen(self, best: Mapping[int, Int64]) -> Int64:
        """I' as ranges (R, 2) int64, ascending and disjoint: level -> chosen nodes (K,), of the predicted levels.

        With the items that have a known category at none of these levels.
        """
        ranges = [self.node_ranges(level, nodes) for level, nodes in best.items()]
        if len(apart := self._elsewhere(tuple(best))):
            ranges.append(apart)
        return merged(ranges[0] if len(ranges) == 1 else np.concatenate(ranges))

    def of_top(self, categories: Mapping[int, Float32], top: int) -> Int64:
        """I' of the `top` best categories of each level, equal scores in order of node: level -> scores (C + 1,)."""
        return self.chosen({level: _best(scores, top) for level, scores in categories.items()})

    def of_share(self, categories: Mapping[int, Float32], share: float) -> Int64:
        """I' of the most categories, at least 1 of each level, with which it has at most this share of all items."""
        apart, tops = self._elsewhere(tuple(categories)), LOOKED_AT
        room = share * self.num_items - (apart[:, 1] - apart[:, 0]).sum()
        while True:
            ranked = {level: _best(scores, tops) for level, scores in categories.items()}
            low, high = self._bounds(ranked, room)
            if high < tops or tops >= max(map(len, categories.values())):
                break
            tops *= 8
        while low < high:
            middle = (low + high + 1) // 2
            union = self.chosen({level: nodes[:middle] for level, nodes in ranked.items()})
            if (union[:, 1] - union[:, 0]).sum() <= share * self.num_items:
                low = middle
            else:
                high = middle - 1
        return self.chosen({level: nodes[:low] for level, nodes in ranked.items()})

    def _bounds(self, ranked: Mapping[int, Int64], room: float) -> tuple[int, int]:
        """Least and greatest K that may be the largest with at most `room` items in the union of the K best."""
        if len(ranked) == 1:
            [(level, nodes)] = ranked.items()
            fit = max(1, int(np.count_nonzero(self._sizes[level - 1][nodes].cumsum() <= room)))
            return fit, fit
        # A union has at least the items of its largest level and at most the sum over levels.
        sizes = np.zeros((len(ranked), max(map(len, ranked.values()))), np.int64)
        for row, (level, nodes) in enumerate(ranked.items()):
            sizes[row, : len(nodes)] = self._sizes[level - 1][nodes]
        held = sizes.cumsum(axis=1)  # (L, K)
        low, high = (int(np.count_nonzero(sums <= room)) for sums in (held.sum(axis=0), held.max(axis=0)))
        return max(1, low), max(1, high)

    @cached_property
    def _one_each(self) -> list[Int64 | None]:
        """Per level (C + 1, 2) int64: the range of each node, or None if some known node has none or several."""
        return [
            runs[first[:-1]] if len(runs) and (np.diff(first[1:]) == 1).all() else None
            for runs, first in zip(self.runs, self.first, strict=True)
        ]

    @cached_property
    def _sizes(self) -> list[Int64]:
        """Per level (C + 1,) int64: items of each known node."""
        sizes = []
        for runs, first in zip(self.runs, self.first, strict=True):
            until = np.concatenate([[0], np.cumsum(runs[:, 1] - runs[:, 0])])
            sizes.append(until[first[1:]] - until[first[:-1]])
        return sizes

    def _elsewhere(self, levels: tuple[int, ...]) -> Int64:
        """Ranges (R, 2) of the items with a known category at none of these levels."""
        if levels not in self._apart:
            known = merged(np.concatenate([self.runs[level - 1][self.first[level - 1][1] :] for level in levels]))
            edges = np.concatenate([[0], known.ravel(), [self.num_items]]).reshape(-1, 2)  # (R + 1, 2)
            self._apart[levels] = edges[edges[:, 0] < edges[:, 1]]
        return self._apart[levels]


class PathRanges:
    """The rows of each path of the tree, which are one range, as items are sorted by path.

    paths: (N,) int32, the finest node of each row.
    """

    def __init__(self, paths: Int32) -> None:
        self._ranges = _equal_runs(paths)
        self._paths = paths[self._ranges[:, 0]]

    def of(self, chosen: Bool) -> Int64:
        """Ranges (R, 2) of the chosen paths, (P + 1,) bool: ascending and disjoint."""
        return merged(self._ranges[chosen[self._paths]])


def _equal_runs(nodes: Int32) -> Int64:
    """The ranges (R, 2) of equal nodes, which are from 0, in (N,) int32."""
    edges = np.flatnonzero(np.diff(nodes, prepend=-1, append=-1))
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64) if len(nodes) else np.zeros((0, 2), np.int64)


def merged(ranges: Int64) -> Int64:
    """Union of ranges (R, 2) in any order, none empty: ascending, disjoint and with a gap between each two."""
    if len(ranges) < 2:
        return ranges
    by_start = ranges[ranges[:, 0].argsort()]
    reach = np.maximum.accumulate(by_start[:, 1])
    begins = (by_start[1:, 0] > reach[:-1]).nonzero()[0] + 1  # where no range before reaches
    if len(begins) + 1 == len(by_start):
        return by_start
    union = np.empty((len(begins) + 1, 2), np.int64)
    union[0, 0], union[1:, 0] = by_start[0, 0], by_start[begins, 0]
    union[:-1, 1], union[-1, 1] = reach[begins - 1], reach[-1]
    return union


def _best(scores: Float32, top: int) -> Int64:
    """Numbers (K,) of the `top` best of (C + 1,) scores, best first; entry 0 is padding.

    Unlike order.top_k it counts a category scored minus infinity too: as one of the last.
    """
    known = scores[1:]
    if top < len(known):
        least = np.partition(known, len(known) - top)[len(known) - top]
        nodes = (known >= least).nonzero()[0]
    else:
        nodes = np.arange(len(known))
    best: Int64 = nodes[(-known[nodes]).argsort(kind="stable")][:top] + 1  # stable: ties stay in order of number
    return best
