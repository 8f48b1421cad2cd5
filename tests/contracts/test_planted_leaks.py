"""The contract tests catch what they are for: scorers that break one promise each are refused."""

import numpy as np
import pytest

from hiersrec.testing import scorers as contract
from hiersrec.types import Batch, Scores
from tests.toy import NUM_ITEMS


class Honest:
    """Scores from the sum of the session's item numbers, and from whatever a leak adds to it."""

    max_length = 20

    def leak(self, batch: Batch) -> np.ndarray:
        return np.zeros(len(batch))

    def score(self, batch: Batch) -> Scores:
        seen = batch.items.sum(axis=1) + self.leak(batch)
        items = np.sin(np.outer(1 + seen, np.arange(NUM_ITEMS + 1))).astype(np.float32)
        items[:, 0] = -np.inf
        return Scores(items, {})


class Neighbours(Honest):
    def leak(self, batch: Batch) -> np.ndarray:
        return np.full(len(batch), batch.items.mean())


class RowBefore(Honest):
    def leak(self, batch: Batch) -> np.ndarray:
        return np.roll(batch.items[:, 0], 1)


class Padding(Honest):
    def leak(self, batch: Batch) -> np.ndarray:
        return batch.items.shape[1] - batch.lengths


class Memory(Honest):
    def __init__(self) -> None:
        self.calls = 0

    def leak(self, batch: Batch) -> np.ndarray:
        self.calls += 1
        return np.full(len(batch), self.calls)


TESTS = {
    "shuffled": contract.order_of_the_batch_changes_nothing,
    "whole split": contract.whole_split_scores_the_same,
    "one": contract.batch_of_one_scores_the_same,
    "longer": contract.longer_prefixes_in_the_batch_change_nothing,
    "others": contract.other_sessions_of_the_batch_change_nothing,
    "padding": contract.more_padding_changes_nothing,
    "twice": contract.same_twice_and_after_other_sessions,
}


@pytest.mark.parametrize("test", TESTS)
def test_an_honest_scorer_passes(test) -> None:
    TESTS[test](Honest())


@pytest.mark.parametrize(
    ("leak", "test"),
    [
        *((Neighbours, test) for test in ("whole split", "one", "longer", "others")),
        *((RowBefore, test) for test in ("shuffled", "whole split", "one", "others")),
        *((Padding, test) for test in ("one", "longer", "padding")),
        *((Memory, test) for test in TESTS),
    ],
)
def test_a_leak_is_caught(leak, test) -> None:
    with pytest.raises(AssertionError):
        TESTS[test](leak())
