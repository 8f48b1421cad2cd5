import numpy as np
import pytest

from hiersrec.store.batches import batch_of, shuffled_rows, sorted_rows, whole_sessions
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Batch


@pytest.fixture(scope="module")
def prefixes() -> Prefixes:
    """About 60,000 prefixes whose lengths fall off as in shop data: most are short, a few are long."""
    random = np.random.default_rng(0)
    lengths = np.minimum(1 + random.geometric(0.22, size=15_000), 60)
    return Prefixes.every(Sessions.from_lists([[1] * length for length in lengths]))


def same(first: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(first) == len(other) and all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_every_prefix_comes_exactly_once(prefixes: Prefixes) -> None:
    for batches in (list(sorted_rows(prefixes, 256)), shuffled_rows(prefixes.lengths, 256, seed=1, epoch=0)):
        assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(prefixes)))
        assert max(map(len, batches)) == 256
        assert sum(len(batch) < 256 for batch in batches) <= 1


def test_under_a_tenth_of_the_tokens_is_padding(prefixes: Prefixes) -> None:
    tokens = room = 0
    for rows in shuffled_rows(prefixes.lengths, 256, seed=1, epoch=0):
        lengths = prefixes.lengths[rows]
        tokens += int(lengths.sum())
        room += int(lengths.max()) * len(rows)

    assert tokens / room > 0.9


def test_the_order_depends_only_on_seed_and_epoch(prefixes: Prefixes) -> None:
    first = shuffled_rows(prefixes.lengths, 256, seed=1, epoch=3)

    assert same(first, shuffled_rows(prefixes.lengths, 256, seed=1, epoch=3))
    assert not same(first, shuffled_rows(prefixes.lengths, 256, seed=1, epoch=4))
    assert not same(first, shuffled_rows(prefixes.lengths, 256, seed=2, epoch=3))


def test_a_row_may_count_for_several(prefixes: Prefixes) -> None:
    """Batches of about 256 together, none more than its last row above that."""
    lengths = prefixes.lengths
    batches = shuffled_rows(lengths, 256, seed=1, epoch=0, counts=lengths)
    sums = np.array([lengths[rows].sum() for rows in batches])

    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(lengths)))
    assert abs(np.median(sums) - 256) < 10
    assert sums.max() < 256 + lengths.max()
    assert np.mean([lengths[rows].max() - lengths[rows].min() for rows in batches]) < 1
    assert shuffled_rows(lengths[:0], 256, seed=1, epoch=0, counts=lengths[:0]) == []


def test_batches_are_not_in_order_of_length(prefixes: Prefixes) -> None:
    longest = [prefixes.lengths[rows].max() for rows in shuffled_rows(prefixes.lengths, 256, seed=1, epoch=0)]

    assert longest != sorted(longest)


def test_prefixes_meet_other_prefixes_in_the_next_epoch(prefixes: Prefixes) -> None:
    companions = [
        {frozenset(rows.tolist()) for rows in shuffled_rows(prefixes.lengths, 256, seed=1, epoch=epoch)}
        for epoch in (0, 1)
    ]

    assert not companions[0] & companions[1]


def test_sorted_rows_run_from_short_to_long_and_keep_ties_in_order() -> None:
    prefixes = Prefixes.every(Sessions.from_lists([[1, 2, 3], [4, 5], [6, 7, 8]]))

    batches = [rows.tolist() for rows in sorted_rows(prefixes, 2)]

    assert prefixes.lengths.tolist() == [1, 2, 1, 1, 2]
    assert batches == [[0, 2], [3, 1], [4]]


def test_a_batch_holds_the_known_items_of_its_prefixes() -> None:
    prefixes = Prefixes.every(Sessions.from_lists([[1, -1, 2, 3]]))

    batch = batch_of(prefixes, np.array([2, 0]), max_length=5)

    assert len(batch) == 2
    assert batch.items.tolist() == [[1, 2], [1, 0]]
    assert batch.lengths.tolist() == [2, 1]


def test_live_sessions_pass_over_unknown_items_and_keep_the_newest() -> None:
    batch = whole_sessions([[0, 4, 5, 6], [-2], [], [7, 0, 8]], max_length=2)

    assert batch.items.tolist() == [[5, 6], [0, 0], [0, 0], [7, 8]]
    assert batch.lengths.tolist() == [2, 0, 0, 2]
    assert (batch.items.dtype, batch.lengths.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize("sessions", [[], [[]], [[0]]])
def test_live_sessions_without_a_known_item_still_have_a_column(sessions: list[list[int]]) -> None:
    batch = whole_sessions(sessions, max_length=5)

    assert batch.items.shape == (len(sessions), 1)
    assert not batch.items.any()


def test_a_live_session_is_the_batch_of_its_prefix() -> None:
    session = [3, -1, 4, 1, 5, 9]
    prefixes = Prefixes.last(Sessions.from_lists([[*session, 2]]))

    stored, live = batch_of(prefixes, np.array([0]), 4), whole_sessions([session], 4)

    assert isinstance(live, Batch)
    np.testing.assert_array_equal(stored.items, live.items, strict=True)
    np.testing.assert_array_equal(stored.lengths, live.lengths, strict=True)
