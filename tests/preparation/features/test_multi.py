"""Columns of several values per item."""

import numpy as np
import pytest

from hiersrec.preparation.features import multi


def test_lists_and_text_give_the_same_tokens():
    lists = [["red", "big", "red"], None, ["big"], [None, "old"]]
    texts = ["red| big |red", None, "big|", "|old"]
    books = [multi.fit(lists, "|"), multi.fit(texts, "|")]

    result = multi.apply(books[0], lists)

    assert books[0] == books[1] == {"values": ["big", "old", "red"], "separator": "|", "width": 2, "cut": 0}
    assert result.tolist() == multi.apply(books[1], texts).tolist() == [[3, 1], [0, 0], [1, 0], [2, 0]]
    assert result.dtype == np.int32
    assert multi.vocabulary(books[0]) == 4


def test_the_separator_separates():
    assert multi.fit(["a,b|c"], ",")["values"] == ["a", "b|c"]


def test_numbers_are_sorted_as_numbers():
    codebook = multi.fit([[10, 9], [9, 100]], "|")

    assert codebook["values"] == [9, 10, 100]
    assert multi.apply(codebook, ["9|100"]).tolist() == [[1, 3]]


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_those_of_a_slow_twin(seed):
    random = np.random.default_rng(seed)
    lists = [[f"v{value:02}" for value in random.integers(0, 30, random.integers(1, 25))] for _ in range(40)]
    codebook = multi.fit(lists, "|")
    result = multi.apply(codebook, lists)

    known = sorted({value for many in lists for value in many})
    cut = 0
    for row, many in zip(result.tolist(), lists, strict=True):
        different = []
        for value in many:
            if value not in different:
                different.append(value)
        cut += len(different) > 16
        expected = [known.index(value) + 1 for value in different[:16]]
        assert row == expected + [0] * (result.shape[1] - len(expected))
    assert codebook["cut"] == cut > 0
    assert result.shape[1] == 16


def test_unknown_values_take_no_place_and_the_width_stays():
    codebook = multi.fit([["a", "b"], ["c"]], "|")

    assert multi.apply(codebook, [["x", "c", "y", "a", "b"], ["x"], None]).tolist() == [[3, 1], [0, 0], [0, 0]]


def test_a_column_of_nothing_still_has_a_width():
    codebook = multi.fit([None, None], "|")

    assert multi.apply(codebook, [["a"], None]).tolist() == [[0], [0]]
    assert multi.vocabulary(codebook) == 1
