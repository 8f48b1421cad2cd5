"""A catalogue of three levels whose unions overlap, and a scorer that predicts them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import Level
from hiersrec.types import Batch, Float32, Scores

ITEMS = 40
KNOWN = (3, 5, 4)
UNKNOWN = (1, 2, 3)


def world(seed: int) -> Catalog:
    """About a third of the nodes is unknown; all of item 1 are, and of the last item only level 2 is known."""
    random = np.random.default_rng(seed)
    item = np.arange(1, ITEMS + 1)
    columns = {"item": item, "item_id": item, "train_count": random.integers(0, 9, ITEMS)}
    levels = []
    for level, (known, unknown) in enumerate(zip(KNOWN, UNKNOWN, strict=True), start=1):
        nodes = random.integers(1, known + unknown + 1, ITEMS)
        nodes[0] = known + 1
        nodes[-1] = 1 if level == 2 else known + 1
        columns[f"node_{level}"] = nodes
        names = [None, *(f"c{node}" for node in range(known)), *[None] * unknown]
        levels.append(Level(known, names, np.zeros(len(names), np.int32)))
    return Catalog(pa.table(columns), levels, [])


def predicted(seed: int, sessions: int, levels: tuple[int, ...] = (1, 2, 3)) -> dict[int, Float32]:
    """Category scores that tie often; those of a level are the same whichever levels are returned."""
    random = np.random.default_rng(seed + 1)
    predictions = [random.integers(0, 3, (sessions, known + 1)).astype(np.float32) for known in KNOWN]
    for scores in predictions:
        scores[:, 0] = -np.inf
    return {level: predictions[level - 1] for level in levels}


@dataclass(frozen=True)
class Waves:
    """Scores from the sum of the session's items, rounded so that some tie; categories of the levels named."""

    levels: tuple[int, ...] = (1, 2, 3)
    max_length: int = 3

    def score(self, batch: Batch) -> Scores:
        sums = 1 + batch.items.sum(axis=1)
        waves = [
            np.sin(np.outer(sums, np.arange(size + 1)) + size).round(1).astype(np.float32) for size in (ITEMS, *KNOWN)
        ]
        return Scores(waves[0], {f"category_{level}": waves[level] for level in self.levels})
