"""Columns of Arrow -> plain values."""

import datetime
import decimal

import pyarrow as pa
import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.values import plain

NAN = float("nan")


def read(kind, values, type_=None):
    return plain("x", kind, pa.chunked_array([pa.array(values, type_)]), lambda row: f"item '{row}'")


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("categorical", ["a", None, " ", "a b"], ["a", None, None, "a b"]),
        ("categorical", [1.0, NAN, 0.0], [1.0, None, 0.0]),
        ("categorical", [True, None, False], [True, None, False]),
        ("text", ["a", "", None], ["a", None, None]),
        ("tfidf", [0, None, 7], ["0", None, "7"]),
        ("multi", [["a", None, " "], [], None, [""]], [["a"], None, None, None]),
        ("multi", [[1, 0], None], [[1, 0], None]),
        ("multi", ["a|b", ""], ["a|b", None]),
        ("multi", [3, None], ["3", None]),
        ("numeric", [1, None, 0], [1.0, None, 0.0]),
        ("numeric", [1.5, NAN, float("inf"), -float("inf")], [1.5, None, None, None]),
        ("numeric", [decimal.Decimal("1.25"), None], [1.25, None]),
        ("numeric", [" 12 ", "", None, "1e2"], [12.0, None, None, 100.0]),
        *((kind, [None, None], [None, None]) for kind in ("categorical", "text", "multi", "numeric", "vector")),
    ],
)
def test_plain_values(kind, values, expected):
    assert read(kind, values) == expected


DAY = datetime.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("categorical", [DAY], "'x' holds date32[day], but a categorical column must hold text, numbers or truth"),
        ("categorical", [["a"]], "holds list<item: string>, but a categorical column"),
        ("text", [["a"]], "a text column must hold text"),
        ("pretrained", [DAY], "a pretrained column must hold text"),
        ("multi", [[1.5]], "a multi column must hold lists of text or whole numbers"),
        ("numeric", [[1]], "a numeric column must hold numbers"),
        ("numeric", ["1", None, "n/a"], "'n/a' of item '2' is not a number"),
        ("vector", ["1,2"], "holds string, but a vector column must hold lists of numbers, all of one length"),
        ("vector", [["a"]], "--vectors NAME=FILE.npy"),
    ],
)
def test_what_does_not_fit_its_kind_is_refused(kind, values, message):
    with pytest.raises(BadInput) as error:
        read(kind, values)

    assert message in str(error.value)
    assert "--" in str(error.value)
