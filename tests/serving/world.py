"""A catalogue of six articles in a tree of two levels, and scorers whose answers can be worked out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.score_parts import against_average
from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import Level
from hiersrec.types import Batch, ExternalId, Float32, Int32, ScorePart, Scores

TITLES = ["Nile", "Cairo", "Tiger", "Lion", "Oak", None]
IDS = ["a", "b", "c", "d", "e", "f"]


def catalog(ids: Sequence[ExternalId] = IDS) -> Catalog:
    items = pa.table(
        {
            "item": pa.array(range(1, 7), pa.int32()),
            "item_id": list(ids),
            "title": TITLES,
            "train_count": pa.array([5, 9, 1, 9, 0, 2], pa.int64()),
            "node_1": pa.array([1, 1, 2, 2, 2, 2], pa.int32()),
            "node_2": pa.array([1, 1, 2, 2, 3, 4], pa.int32()),
        }
    )
    level_1 = Level(2, [None, "Geography", "Nature"], np.array([0, 0, 0], np.int32))
    level_2 = Level(3, [None, "Africa", "Animals", "Plants", None], np.array([0, 1, 2, 2, 2], np.int32))
    return Catalog(items, [level_1, level_2], [])


@dataclass(frozen=True)
class Sum:
    """Scores of an item: its weight times the sum of the session's item numbers. Predicts no category."""

    max_length: int = 3

    def score(self, batch: Batch) -> Scores:
        weights = np.array([0, 1, 5, 3, 5, 2, 4], np.float32)
        return Scores(_closed(batch.items.sum(axis=1, dtype=np.float32)[:, None] * weights), {})


@dataclass(frozen=True)
class Explained:
    """score = session + bias + the parts of both levels' classes; every part is a small random number."""

    max_length: int = 3

    def score(self, batch: Batch) -> Scores:
        rows = [self._parts(batch.items[row, :length]) for row, length in enumerate(batch.lengths)]
        items = np.stack([sum(part.values for part in parts) for parts in rows])
        levels = {
            f"category_{level}": _closed(
                np.stack([self._logits(batch.items[row, :length], level) for row, length in _rows(batch)])
            )
            for level in (1, 2)
        }
        return Scores(_closed(np.concatenate([np.zeros((len(batch), 1)), items], axis=1)), levels)

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        assert len(batch) == 1
        parts = self._parts(batch.items[0, : batch.lengths[0]])
        return against_average(
            [
                ScorePart(
                    part.source,
                    with_mean(part.values, items),
                    None if part.by_class is None else with_mean(part.by_class, items),
                )
                for part in parts
            ]
        )

    def _logits(self, session: Int32, level: int) -> Float32:
        random = np.random.default_rng([level, *session.tolist()])
        return random.normal(size=catalog().levels[level - 1].num_known + 1).astype(np.float32)

    def _parts(self, session: Int32) -> list[ScorePart]:
        random = np.random.default_rng(session.tolist())
        parts = []
        for level, classes in ((1, 2), (2, 3)):
            added = random.normal(size=(6, classes)).astype(np.float32)
            parts.append(ScorePart(f"category_{level}", added.sum(axis=1), added))
        plain = [ScorePart(source, random.normal(size=6).astype(np.float32), None) for source in ("session", "bias")]
        return [*plain, *parts]


def with_mean(values: Float32, items: Int32) -> Float32:
    """Rows of items (K,), and the mean of all rows."""
    return np.concatenate([values[items - 1], values.mean(axis=0)[None]])


def _rows(batch: Batch) -> list[tuple[int, int]]:
    return list(enumerate(batch.lengths.tolist()))


def _closed(scores: Float32) -> Float32:
    scores = scores.astype(np.float32)
    scores[:, 0] = -np.inf
    return scores
