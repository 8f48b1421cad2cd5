"""Columns of words."""

import numpy as np

from hiersrec.preparation.features import text


def test_words_of_two_items_get_tokens_in_sorted_order():
    values = ["Red shoe, red sole", "Blue SHOE", "blue", None]
    codebook = text.fit(values)
    tokens = text.apply(codebook, values)

    assert codebook == {"words": ["blue", "shoe"], "width": 2, "cut": 0}  # "red" stands in one item only, twice
    assert text.vocabulary(codebook) == 3
    assert tokens.tolist() == [[2, 0], [1, 2], [1, 0], [0, 0]]
    assert tokens.dtype == np.int32


def test_only_the_first_sixteen_known_words_are_kept():
    values = [" ".join(f"w{index:02}" for index in range(20))] * 2 + ["w00 alone"]
    codebook = text.fit(values)

    assert text.apply(codebook, values)[0].tolist() == list(range(1, 17))
    assert codebook["cut"] == 2


def test_texts_without_a_known_word_still_have_a_width():
    codebook = text.fit(["one", "two"])

    assert text.apply(codebook, ["one", "two"]).tolist() == [[0], [0]]
    assert text.vocabulary(codebook) == 1


def test_words_that_were_not_learnt_take_no_place():
    codebook = text.fit(["a b", "b a", "c"])

    assert text.apply(codebook, ["c new b a b", None]).tolist() == [[2, 1], [0, 0]]
