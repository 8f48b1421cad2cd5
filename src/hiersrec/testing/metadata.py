"""What every kind of metadata promises: a codebook that can be stored, and rows that do not depend on one another."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hiersrec import registry
from hiersrec.preparation import codebook
from hiersrec.preparation.encode import Encoded, apply, encode
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import FOLDER, plain
from hiersrec.testing.checks import check_docstring


def check_metadata(name: str, values: Sequence[Any], metadata: Metadata | None = None) -> None:
    """Raise AssertionError for the first promise that the kind `name` breaks on a column of these values.

    values: as Arrow takes them; at least one is None, and two are different. metadata: settings that the kind reads.
    """
    assert None in list(values), "one of the values must be None, a missing one"
    column = pa.chunked_array([pa.array(values)])
    for check in CHECKS:
        check(name, column, metadata or Metadata())


def _encoded(name: str, column: pa.ChunkedArray, metadata: Metadata) -> Encoded:
    return encode("x", name, column, metadata, str, _silent)


def _silent(text: str) -> None:
    del text


def says_what_it_is(name: str, column: pa.ChunkedArray, metadata: Metadata) -> None:
    """The docstring and NEEDS; and it takes the column, but no structs."""
    del metadata
    module = registry.load(FOLDER, name)
    check_docstring(module)
    assert isinstance(module.NEEDS, str), "NEEDS must say in words what a column holds"
    assert module.fits(column.type), f"it does not take {column.type}"
    assert not module.fits(pa.struct([("x", pa.int64())])), "it must not take every type"


def features_keep_the_promises_of_the_store(name: str, column: pa.ChunkedArray, metadata: Metadata) -> None:
    """Tokens below the vocabulary, or vectors; zeros in the row of padding and where a value is missing."""
    feature = _encoded(name, column, metadata).feature
    rows = np.asarray(feature.values)
    missing = [row for row, value in enumerate(plain("x", name, column, str), start=1) if value is None]
    assert len(rows) == len(column) + 1, f"{len(rows)} rows for {len(column)} items and padding"
    assert not rows[[0, *missing]].any(), "padding and missing values must be zeros"
    assert rows.any(), "nothing is encoded"
    if feature.is_vector:
        assert feature.vocabulary == 0, "vectors have no vocabulary"
        assert np.isfinite(rows).all(), "a vector is NaN or infinite"
    else:
        assert rows.min() >= 0, "tokens begin with 0"
        assert rows.max() < feature.vocabulary, f"token {rows.max()} of {feature.vocabulary}"


def codebook_is_stored_whole(name: str, column: pa.ChunkedArray, metadata: Metadata) -> None:
    """What `fit` learnt is JSON values and arrays; read again, it encodes as before, and `apply` does not change it."""
    first = _encoded(name, column, metadata)
    json.dumps({key: value for key, value in first.codebook.items() if not isinstance(value, np.ndarray)})
    with tempfile.TemporaryDirectory() as folder:
        codebook.save(Path(folder), "x", name, first.codebook)
        again = codebook.load(Path(folder), "x")
        encoded = apply("x", name, again, plain("x", name, column, str), _silent)
    np.testing.assert_array_equal(encoded, first.feature.values[1:])
    np.testing.assert_equal(again, first.codebook)


def rows_do_not_depend_on_one_another(name: str, column: pa.ChunkedArray, metadata: Metadata) -> None:
    """A new item is encoded as it would be among the others."""
    first = _encoded(name, column, metadata)
    values = plain("x", name, column, str)
    one_by_one = np.concatenate([apply("x", name, first.codebook, [value], _silent) for value in values])
    np.testing.assert_allclose(one_by_one, first.feature.values[1:], rtol=1e-6)


def same_twice(name: str, column: pa.ChunkedArray, metadata: Metadata) -> None:
    """Nothing is random."""
    first, second = (_encoded(name, column, metadata) for _ in range(2))
    np.testing.assert_array_equal(first.feature.values, second.feature.values)


CHECKS = (
    says_what_it_is,
    features_keep_the_promises_of_the_store,
    codebook_is_stored_whole,
    rows_do_not_depend_on_one_another,
    same_twice,
)
