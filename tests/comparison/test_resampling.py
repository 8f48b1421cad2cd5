import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec.comparison import resampling
from hiersrec.comparison.resampling import interval, resampled_sums


def slow_twin(sums: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Session after session, as they are drawn."""
    random = np.random.default_rng(seed)
    totals = []
    for _ in range(draws):
        total = np.zeros(sums.shape[1])
        for session in random.integers(len(sums), size=len(sums)):
            total += sums[session]
        totals.append(total)
    return np.array(totals)


def test_equals_its_slow_twin_whatever_is_held_at_a_time(monkeypatch) -> None:
    sums = np.random.default_rng(1).random((13, 3))
    expected = slow_twin(sums, 50, seed=4)

    for at_once in (1, 40, 10**6):
        monkeypatch.setattr(resampling, "AT_ONCE", at_once)
        np.testing.assert_allclose(resampled_sums(sums, 50, seed=4), expected, rtol=1e-12)


@given(st.integers(1, 30), st.integers(0, 5))
def test_as_many_sessions_are_drawn_as_there_are(sessions, seed) -> None:
    assert (resampled_sums(np.ones((sessions, 1)), 20, seed) == sessions).all()


def test_equal_seeds_give_equal_resamples_and_others_others() -> None:
    sums = np.random.default_rng(1).random((13, 2))

    assert (resampled_sums(sums, 30, 0) == resampled_sums(sums, 30, 0)).all()
    assert (resampled_sums(sums, 30, 0) != resampled_sums(sums, 30, 1)).any()


def test_columns_share_their_sessions() -> None:
    sums = np.random.default_rng(1).random((13, 1))

    resampled = resampled_sums(np.concatenate([sums, 2 * sums], axis=1), 30, 0)

    np.testing.assert_allclose(resampled[:, 1], 2 * resampled[:, 0])


def test_progress_ends_at_all(monkeypatch) -> None:
    monkeypatch.setattr(resampling, "AT_ONCE", 13 * 8)
    told: list[tuple[int, int]] = []

    resampled_sums(np.ones((13, 1)), 20, 0, lambda done, all_: told.append((done, all_)))

    assert told == [(8, 20), (16, 20), (20, 20)]


def test_an_interval_leaves_as_much_out_on_each_side() -> None:
    assert interval(np.arange(101.0), 0.9) == pytest.approx([5.0, 95.0])


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        values = random.exponential(size=(80, 1))  # its mean is 1
        low, high = interval(resampled_sums(values, 200, seed)[:, 0] / 80, 0.9)
        inside += low <= 1 <= high

    assert 0.8 < inside / 200 < 0.97
