import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from hiersrec.comparison.resampling import resampled_sums
from hiersrec.comparison.significance import holm, p_resampled, p_welch


@pytest.mark.parametrize("sizes", [(2, 2), (3, 5), (5, 2)])
def test_welch_is_that_of_scipy(sizes) -> None:
    random = np.random.default_rng(sum(sizes))
    for shift in (-1.0, 0.0, 1.0):
        ours, theirs = random.normal(shift, 1, sizes[0]).tolist(), random.normal(0, 2, sizes[1]).tolist()

        expected = ttest_ind(ours, theirs, equal_var=False, alternative="greater").pvalue

        assert p_welch(ours, theirs) == pytest.approx(expected, rel=1e-9)


def test_welch_where_one_side_does_not_vary() -> None:
    expected = ttest_1samp([3.0, 4.0, 5.0], 2.0, alternative="greater").pvalue

    assert p_welch([3.0, 4.0, 5.0], [2.0, 2.0]) == pytest.approx(expected)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [0.0, 0.5]), ([1.0, 2.0], [0.0]), ([1.0, 1.0], [0.0, 0.0])])
def test_welch_is_blank_where_it_says_nothing(ours, theirs) -> None:
    assert p_welch(ours, theirs) is None


def test_p_of_a_bootstrap_by_hand() -> None:
    assert p_resampled(np.array([0.2, -0.1, 0.0, 0.3])) == 3 / 5
    assert p_resampled(np.zeros(99)) == 1
    assert p_resampled(np.ones(99)) == 1 / 100


def test_without_a_difference_p_is_spread_evenly() -> None:
    random = np.random.default_rng(0)
    p_values = []
    for seed in range(300):
        sums = random.normal(size=(100, 1))  # ours minus theirs, by session
        p_values.append(p_resampled(resampled_sums(sums, 200, seed)[:, 0]))

    for share in (0.05, 0.25, 0.5, 0.75):
        assert abs(np.mean(np.array(p_values) <= share) - share) < 0.08


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []
