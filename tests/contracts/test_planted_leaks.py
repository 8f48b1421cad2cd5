"""The contract tests catch what they are for: scorers that break one promise each are refused."""

import numpy as np
import pytest

from hiersrec.types import Batch, Scores
from tests.contracts import test_every_scorer as contract
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
    "shuffled": contract.test_order_of_the_batch_changes_nothing,
    "whole split": contract.test_whole_split_scores_the_same_in_any_order_and_batch_size,
    "one": contract.test_batch_of_one_scores_the_same,
    "longer": contract.test_longer_prefixes_of_the_same_session_in_the_batch_change_nothing,
    "others": contract.test_other_sessions_of_the_batch_change_nothing,
    "padding": contract.test_more_padding_changes_nothing,
    "twice": contract.test_twice_in_a_row_and_after_other_sessions_is_the_same,
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
