"""`verify` reads every file of a folder; the drill of flipped bits has its many cases."""

import json
from pathlib import Path

import pytest

import hiersrec
from hiersrec.errors import BadFolder
from hiersrec.training import checkpoint, state_file
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import single_process
from tests.store.test_folder import forge, make
from tests.training.test_checkpoint import made


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_whole_folder_and_what_is_not_sealed(tmp_path, capsys) -> None:
    out = make(tmp_path / "out")
    (out / "notes.txt").write_text("mine")

    result = hiersrec.verify(str(out))

    seal = (out / "dataset.json").stat().st_size
    assert result.to_dict() == {
        "kind": "dataset",
        "folder": str(out),
        "files": {"dataset.json": seal, "part/a.txt": 5},
        "not_sealed": ["notes.txt"],
    }
    assert f"{out}: dataset, 2 files of 0.0 MB, all as they were written." in str(result).replace("\n", " ")
    assert "Not sealed, so not checked: notes.txt." in str(result)
    assert result.columns() == {"file": ["dataset.json", "part/a.txt"], "bytes": [seal, 5]}
    assert capsys.readouterr().out == ""


def test_damaged_files_are_named_together(tmp_path) -> None:
    out = make(tmp_path / "out")
    names = [f"{number}.txt" for number in range(7)]
    for name in names:
        (out / name).write_text("hello")
    facts = {name: {"bytes": 5, "sha256": "0" * 64} for name in names}
    whole = json.loads((out / "dataset.json").read_text())["files"]

    forge(out, {**whole, "0.txt": facts["0.txt"]})
    with pytest.raises(BadFolder, match=r"0\.txt does not match its checksum\. Make or copy the dataset folder again"):
        hiersrec.verify(out)
    forge(out, {**whole, **facts, "../x": facts["0.txt"]})
    with pytest.raises(
        BadFolder, match=r"8 of 9 files of .* are not as they were written: 0\.txt, .*4\.txt and 3 more\. M"
    ):
        hiersrec.verify(out)


def test_a_seal_without_its_own_checksum(tmp_path) -> None:
    out = make(tmp_path / "out")
    path = out / "dataset.json"
    path.write_text(path.read_text().replace("seal_sha256", "seal_sha257"))

    with pytest.raises(BadFolder, match=r"dataset\.json has no checksum of its own \(seal_sha256\)"):
        hiersrec.verify(out)


def test_a_folder_that_is_none_of_ours(tmp_path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            BadFolder, match=r"is no folder of a dataset, a run or a bundle: it has none of dataset\.json"
        ):
            hiersrec.verify(path)


def test_an_interrupted_replacement_is_put_back(tmp_path) -> None:
    make(tmp_path / "out").rename(tmp_path / ".out.7.old")

    assert hiersrec.verify(tmp_path / "out").document["kind"] == "dataset"


@pytest.fixture
def begun(tmp_path) -> Path:
    """The folder of a training that has written a checkpoint."""
    (tmp_path / "run" / "catalog").mkdir(parents=True)
    for name in ("recipe.toml", "catalog/items.parquet", "state.csv"):
        (tmp_path / "run" / name).write_text(name)
    model, optimizer = made(0)
    checkpoint.save_best(tmp_path / "run" / "state", model, single_process())
    checkpoint.save(tmp_path / "run" / "state", Progress(), model, optimizer, single_process())
    return tmp_path / "run"


def test_an_unfinished_training(begun) -> None:
    document = hiersrec.verify(begun).document

    assert document["kind"] == "unfinished training"
    states = ["state/best.safetensors", "state/last.safetensors"]
    assert list(document["files"]) == [*states, "catalog/items.parquet", "recipe.toml"]
    assert document["not_sealed"] == ["state.csv"]
    for name in document["files"]:
        flip(begun / name)
        with pytest.raises(BadFolder, match=rf"{name} (is damaged: |was changed or removed after the training began)"):
            hiersrec.verify(begun)
        flip(begun / name)


def test_an_unfinished_training_of_an_older_version(begun) -> None:
    path = begun / "state" / "best.safetensors"
    tensors, _ = state_file.load(path)
    state_file.safetensors.torch.save_file(tensors, path, {})

    with pytest.raises(BadFolder, match=r"best\.safetensors is damaged: it has no checksum, unless an older hiersrec"):
        hiersrec.verify(begun)
