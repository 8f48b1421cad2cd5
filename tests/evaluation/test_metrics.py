import doctest
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.evaluation import metrics

RANKS = np.array([1, 3, 20, 21, 0])


def test_doctests() -> None:
    failed, tried = doctest.testmod(metrics)
    assert failed == 0
    assert tried == 4


def test_means_by_hand() -> None:
    assert metrics.mrr(RANKS, 20).mean() == pytest.approx(
        float(Fraction(1, 5) * (1 + Fraction(1, 3) + Fraction(1, 20)))
    )
    assert metrics.hits(RANKS, 20).mean() == pytest.approx(float(Fraction(3, 5)))
    listed, future = np.array([2, 0, 1]), np.array([3, 4, 1])
    assert metrics.recall(listed, future).mean() == pytest.approx(float(Fraction(1, 3) * (Fraction(2, 3) + 0 + 1)))
    assert metrics.any_hit(listed).mean() == pytest.approx(float(Fraction(2, 3)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 40))
def test_range_and_direction(ranks, k) -> None:
    worse = np.array(ranks)
    better = np.maximum(worse - 1, 1)
    for metric in (metrics.mrr, metrics.hits):
        low, high = metric(worse, k), metric(better, k)
        assert ((low >= 0) & (low <= high) & (high <= 1)).all()
        assert (metric(worse, k) <= metric(worse, k + 1)).all()
    assert (metrics.mrr(worse, k) <= metrics.hits(worse, k)).all()
    assert (metrics.mrr(worse, 1) == metrics.hits(worse, 1)).all()


def test_a_miss_counts_nothing_at_any_k() -> None:
    for k in (1, 20, 10**6):
        assert metrics.mrr(np.array([0]), k).tolist() == [0]
        assert metrics.hits(np.array([0]), k).tolist() == [0]
