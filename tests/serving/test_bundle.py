"""A bundle is opened completely or not at all, and its encoder answers as a scorer of one session at a time would."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hiersrec.errors import BadFolder
from hiersrec.serving import bundle as _bundle_part
from hiersrec.serving.bundle import Bundle, open_bundle
from hiersrec.serving.recommender import Recommender
from hiersrec.store.batches import whole_sessions
from hiersrec.store.folder import OWN, open_seal, seal
from hiersrec.types import Batch
from tests.bundles import exported
from tests.toy import walks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(toy_run, tmp_path_factory) -> Path:
    return exported(toy_run, tmp_path_factory.mktemp("bundle") / "bundle", slabs="int8")


@pytest.fixture(scope="module")
def bundle(folder) -> Bundle:
    return open_bundle(folder)


def encoder(bundle: Bundle):
    return bundle.ranker.encoder


def test_an_open_bundle_has_what_was_exported(bundle) -> None:
    assert bundle.document["slabs"] == bundle.ranker.slabs.type_ == "int8"
    assert bundle.catalog.num_items == 48
    assert bundle.candidates.policy == "all"
    assert bundle.ranker.max_length == encoder(bundle).max_length == 10
    assert bundle.ranker.explains


def test_a_batch_is_encoded_as_its_sessions_are(bundle) -> None:
    batch = whole_sessions(walks(20, 3), 10)
    together = encoder(bundle).encode(batch)

    assert together.query.dtype == together.own.dtype == together.factor.dtype == np.float32
    assert together.factor.shape == (20,)
    for row, length in enumerate(batch.lengths):
        single = encoder(bundle).encode(Batch(batch.items[row : row + 1, :length], batch.lengths[row : row + 1]))
        np.testing.assert_allclose(single.query[0], together.query[row], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(single.own[0], together.own[row], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(single.factor[0], together.factor[row], rtol=1e-4)
        for task, scores in together.tasks.items():
            assert scores[row, 0] == -np.inf
            np.testing.assert_allclose(single.tasks[task][0], scores[row], rtol=1e-4, atol=1e-5)
    assert {task: scores.shape for task, scores in together.tasks.items()} == {
        "category_1": (20, 3),
        "category_2": (20, 7),
    }


def test_two_threads_encode_as_one_does(folder, bundle) -> None:
    batch = whole_sessions(walks(5, 4), 10)

    np.testing.assert_allclose(
        encoder(open_bundle(folder, threads=2)).encode(batch).query, encoder(bundle).encode(batch).query, rtol=1e-5
    )


@pytest.mark.parametrize("name", ["vectors.npy", "encoder.onnx", "catalog/catalog.json", "explain/0.npy"])
def test_a_changed_byte_is_noticed(folder, tmp_path, name) -> None:
    shutil.copytree(folder, tmp_path / "bundle")
    changed = tmp_path / "bundle" / name
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)

    with pytest.raises(BadFolder, match=r"does not match its checksum\. Make or copy the bundle folder again\."):
        open_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("changes", [{"reads": []}, {"max_length": 3}, {"candidates": {}}, {"encoder": "../model"}])
def test_an_edited_seal_is_noticed(folder, tmp_path, changes) -> None:
    shutil.copytree(folder, tmp_path / "bundle")
    path = tmp_path / "bundle/bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    with pytest.raises(BadFolder, match=r"bundle\.json was changed after it was written: it does not match its own"):
        open_bundle(tmp_path / "bundle")


def test_a_bundle_without_an_index_of_titles_must_be_exported_again(folder, tmp_path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "bundle"))
    shutil.rmtree(older / "catalog/search")
    document = open_seal(folder, "bundle")
    seal(older, "bundle", document, [older / name for name in document["files"] if "search" not in name])

    with pytest.raises(BadFolder, match=r"was made by an older hiersrec: .* Export the run again\."):
        open_bundle(older)


def test_a_bundle_with_bf16_vectors_must_be_exported_again(folder, tmp_path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "bundle"))
    document = open_seal(folder, "bundle")
    seal(older, "bundle", document | {"slabs": "bf16"}, [older / name for name in document["files"]])

    with pytest.raises(BadFolder, match=r"has vectors of type 'bf16', .*; types are float32 and int8\. Export the run"):
        open_bundle(older)


def test_a_bundle_that_lost_its_name_while_it_was_being_replaced_is_found(folder, tmp_path) -> None:
    shutil.copytree(folder, tmp_path / f".bundle.{os.getpid()}.old")

    assert Recommender.load(tmp_path / "bundle").catalog_size == 48
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_folders_that_are_no_bundles(toy_run, tmp_path) -> None:
    with pytest.raises(BadFolder, match=r"There is no bundle folder at .* Make one with `hiersrec export`\."):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BadFolder, match=r"is not a finished bundle folder: it has no bundle\.json\."):
        open_bundle(toy_run)


def test_a_bundle_that_is_replaced_while_it_is_opened_is_not_mixed_with_the_other(
    folder, tmp_path, monkeypatch
) -> None:
    shutil.copytree(folder, tmp_path / "bundle")
    catalog = _bundle_part.BundleCatalog

    def replace_first(path: Path):
        seal = tmp_path / "bundle/bundle.json"
        document = json.loads(seal.read_text(encoding="utf-8")) | {"model_version": "newer0000000"}
        del document[OWN]
        seal.write_text(json.dumps(document), encoding="utf-8")
        return catalog(path)

    monkeypatch.setattr(_bundle_part, "BundleCatalog", replace_first)

    with pytest.raises(BadFolder, match=r"was replaced while it was being opened\. Open it again\."):
        open_bundle(tmp_path / "bundle")
