"""Contents are compared with their checksums, large ones once."""

import json
import os
from pathlib import Path

import pytest

from hiersrec.errors import BadFolder
from hiersrec.store import contents
from hiersrec.store.contents import cache_file, check_contents, readable
from hiersrec.store.folder import facts_of, sha256


@pytest.fixture
def reads(tmp_path, monkeypatch) -> list[str]:
    """The files that are read, all of which count as large and as changed long ago."""
    names: list[str] = []

    def reading(path: Path) -> str:
        names.append(path.name)
        return sha256(path)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(contents, "LARGE", 0)
    monkeypatch.setattr(contents, "YOUNG", -1e18)
    monkeypatch.setattr(contents, "sha256", reading)
    return names


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "data" / "train").mkdir(parents=True)
    for name in ("train/a", "train/b", "c"):
        (tmp_path / "data" / name).write_text(f"content of {name}")
    return tmp_path / "data"


def facts(folder: Path):
    return facts_of(folder, [path for path in folder.rglob("*") if path.is_file()])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 4
    path.write_bytes(content)


def test_large_files_are_read_once(folder, reads):
    sealed = facts(folder)
    for _ in range(3):
        check_contents(folder, sealed, "train/", "dataset")

    assert reads == ["a", "b"]
    check_contents(folder, sealed, "", "dataset")
    assert reads == ["a", "b", "c"]


@pytest.mark.parametrize("keep_time", [True, False])
def test_a_changed_file_is_read_again(folder, reads, keep_time):
    sealed = facts(folder)
    check_contents(folder, sealed, "", "dataset")
    before = (folder / "c").stat()
    flip(folder / "c")
    if keep_time:  # the system keeps another one, which nobody sets
        os.utime(folder / "c", ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(BadFolder, match=r"data/c does not match its checksum\. Make or copy the dataset folder again"):
        check_contents(folder, sealed, "", "dataset")
    assert sorted(reads) == ["a", "b", "c", "c"]


def test_a_copy_is_read_again(folder, reads, tmp_path):
    sealed = facts(folder)
    check_contents(folder, sealed, "", "dataset")
    folder.rename(tmp_path / "moved")
    check_contents(tmp_path / "moved", sealed, "", "dataset")
    assert len(reads) == 3

    (tmp_path / "moved" / "c").rename(tmp_path / "old")
    (tmp_path / "moved" / "c").write_bytes((tmp_path / "old").read_bytes())
    check_contents(tmp_path / "moved", sealed, "", "dataset")
    assert len(reads) == 4


def test_a_file_that_changed_a_moment_ago_is_not_remembered(folder, reads, monkeypatch):
    monkeypatch.setattr(contents, "YOUNG", 2e9)
    sealed = facts(folder)
    for _ in range(2):
        check_contents(folder, sealed, "train/", "dataset")

    assert len(reads) == 4
    assert not cache_file().exists()


@pytest.mark.usefixtures("reads")
def test_small_files_are_not_remembered(folder, monkeypatch):
    monkeypatch.setattr(contents, "LARGE", 1000)
    sealed = facts(folder)
    check_contents(folder, sealed, "", "dataset")
    flip(folder / "c")

    with pytest.raises(BadFolder, match="does not match its checksum"):
        check_contents(folder, sealed, "", "dataset")
    assert not cache_file().exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 5}', "[" * 100_000])
def test_a_damaged_memory_is_made_again(folder, reads, text):
    cache_file().parent.mkdir(parents=True)
    cache_file().write_text(text)
    sealed = facts(folder)
    for _ in range(2):
        check_contents(folder, sealed, "", "dataset")

    assert len(reads) == 3
    assert len(json.loads(cache_file().read_text())) == 3


def test_without_a_place_for_the_memory_files_are_read_each_time(folder, reads, tmp_path):
    (tmp_path / "cache").write_text("a file")
    sealed = facts(folder)
    for _ in range(2):
        check_contents(folder, sealed, "train/", "dataset")

    assert len(reads) == 4


@pytest.mark.usefixtures("reads")
def test_the_memory_is_bounded(folder, monkeypatch):
    monkeypatch.setattr(contents, "MOST", 2)
    check_contents(folder, facts(folder), "", "dataset")

    assert len(json.loads(cache_file().read_text())) == 2


def test_what_is_whole_and_still_can_not_be_read(tmp_path):
    with pytest.raises(BadFolder, match=r"can't be read: a bad shape\. Its seal"), readable(tmp_path, "run"):
        raise ValueError("a bad\nshape.")
    with pytest.raises(BadFolder, match=r"^its own$"), readable(tmp_path, "run"):
        raise BadFolder("its own")
    with pytest.raises(MemoryError), readable(tmp_path, "run"):
        raise MemoryError
