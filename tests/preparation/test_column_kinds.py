"""Which kind each column is."""

import pyarrow as pa
import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.column_kinds import DISPLAY, LEFT_OUT, kinds
from hiersrec.preparation.settings import Metadata

TABLE = pa.table(
    {
        "title": ["a", "b", "c", None],
        "colour": ["red", "red", "red", "blue"],
        "half": ["x", "x", "y", "y"],
        "price": [1, 2, 3, 4],
        "size": [1, 2, 1, 2],
        "nothing": pa.array([None] * 4, pa.string()),
        "tags": [["a"], ["b", "c"], None, []],
        "image": [[0.5], [1.5], None, [2.5]],
        "codes": [[1, 2], [3], None, []],
    }
)


def test_kinds_are_inferred_where_not_named():
    lines: list[str] = []

    result = kinds(TABLE, Metadata(categorical=("size",), text=("colour",)), lines.append)

    assert result == {
        "title": "text",
        "colour": "text",
        "half": "categorical",
        "price": DISPLAY,
        "size": "categorical",
        "nothing": DISPLAY,
        "tags": "multi",
        "image": LEFT_OUT,
        "codes": LEFT_OUT,
    }
    assert "prepare: items column 'title' is taken for text" in lines
    assert any("'price'" in line and "name it with --numeric or --categorical to use it" in line for line in lines)
    assert "prepare: items column 'image' is left out; name it with --vectors or --multi to use it" in lines
    assert not any("colour" in line or "size" in line for line in lines)


@pytest.mark.parametrize(
    ("option", "column", "kind"),
    [
        ("text", "half", "text"),
        ("categorical", "title", "categorical"),
        ("multi", "title", "multi"),
        ("multi", "codes", "multi"),
        ("numeric", "price", "numeric"),
        ("vectors", "image", "vector"),
        ("text_vectors", "title", "tfidf"),
    ],
)
def test_options_decide(option, column, kind):
    assert kinds(TABLE, Metadata(**{option: (column,)}), lambda _: None)[column] == kind


def test_the_encoder_decides_what_text_vectors_are():
    metadata = Metadata(text_vectors=("title",), text_encoder="some/model")

    assert kinds(TABLE, metadata, lambda _: None)["title"] == "pretrained"


@pytest.mark.parametrize("option", ["text", "categorical", "multi", "numeric", "vectors", "text_vectors"])
def test_a_column_that_is_not_there_is_an_error(option):
    flag = option.replace("_", "-")
    with pytest.raises(BadInput, match=rf"no metadata column 'titel', named by --{flag}. Did you mean 'title'\?"):
        kinds(TABLE, Metadata(**{option: ("titel",)}), lambda _: None)
