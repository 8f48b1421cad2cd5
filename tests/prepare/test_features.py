"""Metadata columns -> tokens."""

import pyarrow as pa
import pytest

from hiersrec.errors import BadInput
from hiersrec.prepare.features import categorical, encode, kinds, text
from hiersrec.prepare.settings import Metadata


def test_words_of_two_items_get_tokens_in_sorted_order():
    tokens, vocabulary = text(["Red shoe, red sole", "Blue SHOE", "blue", ""])

    assert vocabulary == 3  # padding, blue, shoe; "red" stands in one item only, twice
    assert tokens.tolist() == [[0, 0], [2, 0], [1, 2], [1, 0], [0, 0]]
    assert tokens.dtype == "int32"


def test_only_the_first_sixteen_known_words_are_kept():
    tokens, _ = text([" ".join(f"w{at:02}" for at in range(20))] * 2)

    assert tokens[1].tolist() == list(range(1, 17))


def test_texts_without_a_known_word_still_have_a_column():
    tokens, vocabulary = text(["one", "two"])

    assert (tokens.tolist(), vocabulary) == ([[0], [0], [0]], 1)


@pytest.mark.parametrize(
    ("values", "expected", "vocabulary"),
    [(["b", None, "a", "b"], [0, 2, 0, 1, 2], 3), ([10, 9, None], [0, 2, 1, 0], 3), ([None], [0, 0], 1)],
)
def test_categorical_codes_follow_the_sorted_values(values, expected, vocabulary):
    tokens, size = categorical(values)

    assert (tokens[:, 0].tolist(), size) == (expected, vocabulary)


def test_coverage_is_the_share_of_items_with_a_value():
    assert encode("brand", "categorical", ["a", None, " ", "b"]).coverage == 2 / 4
    assert encode("title", "text", ["a", None, " ", "b"]).coverage == 2 / 4


def test_a_name_that_is_no_file_name_is_refused():
    with pytest.raises(BadInput, match=r"'a/b' can't name a file. Rename it, or leave it out with --ignore"):
        encode("a/b", "text", ["x"])


def test_kinds_are_inferred_where_not_named():
    table = pa.table(
        {
            "title": ["a", "b", "c", None],
            "colour": ["red", "red", "red", "blue"],
            "half": ["x", "x", "y", "y"],
            "price": [1, 2, 3, 4],
            "size": [1, 2, 1, 2],
            "nothing": pa.array([None] * 4, pa.string()),
        }
    )
    said: list[str] = []

    found = kinds(table, Metadata(categorical=("size",), text=("colour",)), said.append)

    assert found == {
        "title": "text",
        "colour": "text",
        "half": "categorical",
        "price": "display",
        "size": "categorical",
        "nothing": "display",
    }
    assert "prepare: items column 'title' is taken for text" in said
    assert any("'price'" in line and "name it with --categorical to use it" in line for line in said)
    assert not any("colour" in line or "size" in line for line in said)
