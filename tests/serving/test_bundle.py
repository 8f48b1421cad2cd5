"""A bundle is opened completely or not at all, and its encoder answers as a scorer of one session at a time would."""

import json
import os
import random
import shutil
from collections.abc import Iterator
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
from tests.bundles import exported, known_graph
from tests.toy import walks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(toy_run, toy_bundle, tmp_path_factory) -> Path:
    with known_graph(toy_bundle):
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


def forged(folder: Path, out: Path) -> Path:
    """A copy of a bundle to be changed; `reseal` makes its checksums right again."""
    return Path(shutil.copytree(folder, out, dirs_exist_ok=True))


def reseal(bundle: Path, **changes: object) -> None:
    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    seal(bundle, "bundle", document | changes, [bundle / name for name in document["files"]])


def places(document: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Where the values of a document are, those inside of others too; of a list the first."""
    entries = document.items() if isinstance(document, dict) else enumerate(document[:1])
    for key, value in list(entries):
        yield (*path, key)
        if isinstance(value, dict | list) and value:
            yield from places(value, (*path, key))


WRONG = [None, True, -1, 2**70, 1e300, "../../etc/passwd", [], {}, [None], {"a": 1}]


@pytest.mark.parametrize("name", ["bundle.json", "catalog/catalog.json"])
def test_wrong_values_under_right_checksums_are_told_or_change_nothing(folder, tmp_path, name) -> None:
    bundle = forged(folder, tmp_path / "bundle")
    whole = json.loads((folder / name).read_text(encoding="utf-8"))
    own = {"kind", "format_version", "files", OWN} if name == "bundle.json" else set()
    chance = random.Random(0)  # noqa: S311  (test data)
    refused = 0
    for place in places({key: value for key, value in whole.items() if key not in own}):
        for wrong in chance.sample(WRONG, 4):
            document = json.loads((folder / name).read_text(encoding="utf-8"))
            inner = document
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            (bundle / name).write_text(json.dumps(document), encoding="utf-8")
            reseal(bundle)
            try:
                recommended = Recommender.load(bundle).recommend([[1, 2]], explain=True)
            except BadFolder as error:
                refused += str(bundle) in str(error)
            else:
                assert recommended, (place, wrong)
    assert refused > 20


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vectors.npy", lambda array: array.astype(np.float64)),
        ("vectors.npy", lambda array: array[:, :-1]),
        ("codes.npy", lambda array: array[:-1]),
        ("scales.npy", lambda array: array[:, None]),
        ("inputs.npy", lambda array: array[:-1]),
        ("inputs.npy", lambda array: array[:, :-1]),
        ("explain/0.npy", lambda array: array.T),
        ("layout/order.npy", lambda array: array + 1),
        ("layout/order.npy", lambda array: array - 2),
        ("layout/place.npy", lambda array: array + 10_000),
        ("layout/runs_1.npy", lambda array: array * 1000),
        ("layout/first_1.npy", lambda array: array[:-1]),
        ("layout/num_known.npy", lambda array: array * 1000),
        ("catalog/item_nodes.npy", lambda array: array + 1000),
        ("catalog/train_count.npy", lambda array: array.astype(np.float32)),
        ("catalog/ids.order.npy", lambda array: -array - 1),
        ("catalog/labels/0.item.npy", lambda array: array + 1000),
        ("catalog/search/holding.npy", lambda array: array + 1_000_000),
        ("catalog/search/first.npy", lambda array: array * 1000),
    ],
)
def test_wrong_arrays_under_right_checksums_are_told(folder, tmp_path, name, change) -> None:
    bundle = forged(folder, tmp_path / "bundle")
    np.save(bundle / name, change(np.load(bundle / name)))
    reseal(bundle)

    with pytest.raises(BadFolder, match=r"bundle can't be read: .*\. Its seal is whole, so the files were written so"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("../model.onnx", "which is none of its sealed files"),
        ("inputs.npy", "bundle can't be read: .* Its seal is whole"),
    ],
)
def test_an_encoder_that_is_another_file(folder, tmp_path, encoder, message) -> None:
    bundle = forged(folder, tmp_path / "bundle")
    shutil.copy(folder / "encoder.onnx", tmp_path / "model.onnx")
    reseal(bundle, encoder=encoder)

    with pytest.raises(BadFolder, match=message):
        open_bundle(bundle)


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
