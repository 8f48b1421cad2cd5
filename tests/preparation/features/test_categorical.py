"""Columns of one value per item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec.preparation.features import categorical


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", None, "a", "b"], [2, 0, 1, 2]),
        ([10, 9, None], [2, 1, 0]),
        ([True, False, None], [2, 1, 0]),
        ([2.0, None, 1.5], [2, 0, 1]),
        ([None], [0]),
    ],
)
def test_tokens_follow_the_sorted_values(values, expected):
    codebook = categorical.fit(values)

    result = categorical.apply(codebook, values)

    assert result[:, 0].tolist() == expected
    assert result.dtype == np.int32
    assert categorical.vocabulary(codebook) == max(expected) + 1


@given(st.lists(st.none() | st.text(max_size=2), max_size=20))
def test_two_items_share_a_token_just_where_they_share_a_value(values):
    tokens = categorical.apply(categorical.fit(values), values)[:, 0].tolist()

    pairs = [(a, b) for a in range(len(values)) for b in range(len(values))]
    assert all((tokens[a] == tokens[b]) == (values[a] == values[b]) for a, b in pairs)
    assert all((token == 0) == (value is None) for token, value in zip(tokens, values, strict=True))


def test_values_that_were_not_learnt_are_missing():
    codebook = categorical.fit(["b", "a"])

    assert categorical.apply(codebook, ["c", "a", None])[:, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize("later", [["7", "10"], [7, 10], [7.0, 10.0]])
def test_a_number_is_the_same_value_as_text_or_as_a_float(later):
    for first in ([10, 7], [10.0, 7.0], ["10", "7"]):
        codebook = categorical.fit(first)

        assert [codebook["values"][token - 1] for token in categorical.apply(codebook, later)[:, 0]] == first[::-1]
