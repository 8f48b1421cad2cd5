"""Columns of numbers, in bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec.preparation.features import numeric

NUMBERS = st.lists(st.none() | st.floats(-100, 100) | st.integers(0, 5).map(float), max_size=200)


def test_few_different_numbers_have_a_bin_each():
    values = [3.0, None, 1.0, 3.0, 2.5]
    codebook = numeric.fit(values)
    result = numeric.apply(codebook, values)

    assert codebook == {"edges": [2.5, 3.0], "bins": 3}
    assert result.tolist() == [[3], [0], [1], [3], [2]]
    assert result.dtype == np.int32
    assert numeric.vocabulary(codebook) == 4


def test_many_different_numbers_fall_into_bins_of_equal_size():
    values = np.random.default_rng(1).permutation(640).astype(float).tolist()
    codebook = numeric.fit(values)
    result = numeric.apply(codebook, values)[:, 0]

    assert numeric.vocabulary(codebook) == 33
    assert np.ptp(np.bincount(result)[1:]) <= 1


def test_a_number_that_many_items_share_takes_one_bin():
    values = [0.0] * 900 + list(np.arange(1.0, 101.0))
    codebook = numeric.fit(values)
    result = numeric.apply(codebook, values)[:, 0]

    assert (result[:900] == 1).all()
    assert result[900] == 2
    assert numeric.vocabulary(codebook) < 33


@given(NUMBERS)
def test_bins_are_those_of_a_slow_twin_and_hold_their_promises(values):
    codebook = numeric.fit(values)
    result = numeric.apply(codebook, values)[:, 0].tolist()
    known = [(value, token) for value, token in zip(values, result, strict=True) if value is not None]

    for value, token in known:
        assert token == 1 + sum(edge <= value for edge in codebook["edges"])
    tokens = {token for _, token in known}
    assert tokens == set(range(1, numeric.vocabulary(codebook)))  # no bin is empty
    assert len(tokens) <= numeric.MAX_BINS
    assert [token for _, token in sorted(known)] == sorted(token for _, token in known)
    assert all((token == 0) == (value is None) for value, token in zip(values, result, strict=True))
    numbers = [value for value, _ in known]
    few = len(set(numbers)) <= numeric.MAX_BINS
    share = {
        value: value if few else sum(number < value for number in numbers) * 32 // len(numbers) for value in numbers
    }
    order = sorted(set(share.values()))
    assert [token for _, token in known] == [order.index(share[value]) + 1 for value in numbers]


@pytest.mark.parametrize(("later", "expected"), [(-9.0, 1), (2.9, 2), (99.0, 3), (None, 0)])
def test_later_numbers_fall_into_the_bins_that_are_there(later, expected):
    assert numeric.apply(numeric.fit([1.0, 2.0, 3.0]), [later]).tolist() == [[expected]]


def test_a_column_without_numbers_knows_none_later():
    codebook = numeric.fit([None, None])

    assert numeric.apply(codebook, [None, 5.0]).tolist() == [[0], [0]]
    assert numeric.vocabulary(codebook) == 1
