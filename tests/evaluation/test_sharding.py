"""Evaluation shared out: every process finds, to the last bit, what one alone finds."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from hiersrec.evaluation.evaluate import Evaluation, EvaluationOptions, evaluate
from hiersrec.retrieval.candidates import Candidates
from hiersrec.types import Batch, Int64, Scores
from tests.evaluation.test_evaluate import CATALOG, Rounded, split


@dataclass(frozen=True)
class Member:
    """One of several threads that stand for processes."""

    rank: int
    count: int
    barrier: threading.Barrier
    table: dict[int, Int64] = field(repr=False)

    @contextmanager
    def synchronized(self) -> Iterator[None]:
        yield
        self.barrier.wait(30)

    def total(self, values: Int64) -> Int64:
        self.table[self.rank] = values
        self.barrier.wait(30)
        total = np.sum([self.table[rank] for rank in range(self.count)], 0)
        self.barrier.wait(30)
        return total


@dataclass(frozen=True)
class Counting:
    """A scorer that records the sizes of its batches."""

    inner: Rounded
    sizes: list[int]
    max_length: int = 3
    scores_are_logits: Literal[True] = True

    def score(self, batch: Batch) -> Scores:
        self.sizes.append(len(batch))
        return self.inner.score(batch)


def shared(count: int, options: EvaluationOptions) -> tuple[list[Evaluation], list[int]]:
    """What each of `count` processes finds, and how many prefixes each has scored."""
    barrier, table = threading.Barrier(count), {}
    scorers = [Counting(Rounded(), []) for _ in range(count)]

    def evaluate_share(rank: int) -> Evaluation:
        return evaluate(scorers[rank], CATALOG, split(), options, share=Member(rank, count, barrier, table))

    with ThreadPoolExecutor(count) as pool:
        evaluations = list(pool.map(evaluate_share, range(count)))
    return evaluations, [sum(scorer.sizes) for scorer in scorers]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        EvaluationOptions(batch_size=7),
        EvaluationOptions(batch_size=10, exclude_seen=True, candidates=Candidates(policy="category", top=1)),
        EvaluationOptions(batch_size=60),
        EvaluationOptions(),
        EvaluationOptions(batch_size=7, k=(2, 48, 100)),
    ],
    ids=["many batches", "candidates", "two batches", "one batch", "several k"],
)
def test_all_find_what_one_finds(count, options) -> None:
    alone = evaluate(Counting(Rounded(), []), CATALOG, split(), options)

    evaluations, scored = shared(count, options)

    for evaluation in evaluations:
        assert evaluation.metrics == alone.metrics
        assert evaluation.slices == alone.slices
        assert evaluation.calibration == alone.calibration
        assert evaluation.calibration.keys() == {"item", "category_1", "category_2"}
        assert evaluation.ranks.equals(alone.ranks)
    batches = -(-len(alone.ranks) // options.batch_size)
    assert max(scored) <= -(-batches // count) * options.batch_size
    assert sum(scored) <= len(alone.ranks) + count, "only a process without a batch asks once more than it needs"
