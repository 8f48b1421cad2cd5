import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hiersrec.errors import BadFolder
from hiersrec.store.folder import (
    FORMAT_VERSION,
    new_folder,
    only_writer,
    open_seal,
    seal,
    sha256,
    write_seal,
    write_text,
)
from tests.documents import DATASET


def make(out: Path, text: str = "hello", overwrite: bool = False) -> Path:
    """A sealed dataset folder of one file."""
    with new_folder(out, "dataset", overwrite) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "a.txt").write_text(text)
        seal(folder, "dataset", DATASET, [folder / "part" / "a.txt"])
    return out


def fail_half_way(out: Path, overwrite: bool) -> None:
    with new_folder(out, "dataset", overwrite) as folder:
        (folder / "a.txt").write_text("half")
        _ = 1 / 0


def test_a_finished_folder_opens_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    document = open_seal(make(tmp_path / "deep" / "out"), "dataset", checksums=True)

    assert document["name"] == "toy"
    assert document["kind"] == "dataset"
    assert document["format_version"] == FORMAT_VERSION
    assert document["files"] == {"part/a.txt": {"bytes": 5, "sha256": sha256(tmp_path / "deep/out/part/a.txt")}}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_the_checksum_is_the_published_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")

    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_half_way(tmp_path / "out", overwrite=False)

    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_middle_keeps_the_older_folder(tmp_path: Path) -> None:
    out = make(tmp_path / "out", "old")

    with pytest.raises(ZeroDivisionError):
        fail_half_way(out, overwrite=True)

    assert (out / "part" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_killed_process_leaves_no_folder_of_that_name(tmp_path: Path) -> None:
    code = """if True:
        import os, sys, signal
        from pathlib import Path
        from hiersrec.store.folder import new_folder
        with new_folder(Path(sys.argv[1]), "dataset") as folder:
            (folder / "a.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "out"], check=False)

    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert open_seal(make(tmp_path / "out"), "dataset")["name"] == "toy"


def test_an_older_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    out = make(tmp_path / "out", "old")

    with pytest.raises(BadFolder, match=r"out exists already\. Choose another --out, or replace it with --overwrite\."):
        make(out, "new")
    assert (out / "part" / "a.txt").read_text() == "old"

    make(out, "new", overwrite=True)
    assert (out / "part" / "a.txt").read_text() == "new"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    assert open_seal(make(tmp_path / "out"), "dataset")["name"] == "toy"


@pytest.mark.parametrize("kind", ["folder of another kind", "plain file"])
def test_overwrite_spares_what_is_not_ours(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "plain file":
        out.write_text("precious")
    else:
        make(out)

    message = r"is not a run folder \(no run\.json\), so --overwrite does not touch it"
    with pytest.raises(BadFolder, match=message), new_folder(out, "run", overwrite=True):
        pass
    assert out.exists()


def test_write_text_replaces_the_whole_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "a long first text")
    write_text(tmp_path / "a.json", "né")

    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "né"
    assert os.listdir(tmp_path) == ["a.json"]  # noqa: PTH208 - names only


def edit_seal(out: Path, **changes: object) -> None:
    path = out / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"There is no dataset folder at .*nowhere"):
        open_seal(tmp_path / "nowhere", "dataset")


def test_a_folder_without_seal_is_unfinished(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    (out / "dataset.json").unlink()

    with pytest.raises(BadFolder, match=r"is not a finished dataset folder: it has no dataset\.json"):
        open_seal(out, "dataset")


def test_a_seal_that_was_edited(tmp_path: Path) -> None:
    for number, changes in enumerate(({"name": "other"}, {"extra": 1}, {"files": {}}, {"seal_sha256": "0" * 64})):
        out = make(tmp_path / str(number))
        edit_seal(out, **changes)

        with pytest.raises(BadFolder, match=r"dataset\.json was changed after it was written: .*\(seal_sha256\)\. Put"):
            open_seal(out, "dataset")


def test_a_seal_may_be_laid_out_in_another_way(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    sealed = json.loads((out / "dataset.json").read_text())
    (out / "dataset.json").write_text(json.dumps(dict(reversed(sealed.items())), separators=(",", ":")))

    assert open_seal(out, "dataset") == sealed


def test_a_seal_from_before_it_had_a_checksum_of_its_own(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    sealed = json.loads((out / "dataset.json").read_text())
    del sealed["seal_sha256"]
    (out / "dataset.json").write_text(json.dumps(sealed))

    assert open_seal(out, "dataset") == sealed


def test_a_seal_made_of_another_one_has_its_own_checksum(tmp_path: Path) -> None:
    before = open_seal(make(tmp_path / "out"), "dataset")
    seal(tmp_path / "out", "dataset", {**before, "name": "née", "counts": {10: 1, 2: (3, 0.1)}}, [])

    after = open_seal(tmp_path / "out", "dataset")
    assert (after["name"], after["files"]) == ("née", {})
    assert after["counts"] == {"10": 1, "2": [3, 0.1]}
    assert list(after)[-1] == "seal_sha256"


DAMAGED = [
    *('{"kind": "data', '{"kind": "dataset"}', "[]", "7", '{"format_version": [], "files": {}}'),
    *('{"format_version": 1, "files": []}', '{"format_version": 1, "files": {"a": {"bytes": 1}}}'),
    '{"format_version": 1, "files": {"a": 7}}',
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_seal(tmp_path: Path, text: str) -> None:
    out = make(tmp_path / "out")
    (out / "dataset.json").write_text(text)

    with pytest.raises(BadFolder, match=r"dataset\.json is damaged \(.*Make the dataset folder again"):
        open_seal(out, "dataset")


@pytest.mark.parametrize("text", ['{"format_version": 1e999}', "[" * 100_000, '{"a": ' * 100_000, "9" * 5000])
def test_a_seal_that_json_refuses_or_reads_as_something_else(tmp_path: Path, text: str) -> None:
    out = make(tmp_path / "out")
    (out / "dataset.json").write_text(text)

    with pytest.raises(BadFolder, match=r"dataset\.json is damaged \(.*Make the dataset folder again"):
        open_seal(out, "dataset")


def forge(out: Path, files: dict[str, object] | None = None, **changes: object) -> None:
    """Change a seal, and its checksum with it."""
    document = json.loads((out / "dataset.json").read_text()) | changes
    write_seal(out, "dataset", document, document["files"] if files is None else files)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {"part/a.txt": {"bytes": "5", "sha256": ""}}}, r"files\.part/a\.txt\.bytes must be a whole number"),
        ({"name": 7}, "name must be text, got 7"),
        ({"split": {"train": 5}}, "split.train must be an object, got 5"),
        ({"statistics": {}}, "statistics.training_sessions is missing"),
        ({"filters": [{"name": "read", "round": "1"}]}, r'filters\[0\]\.round must be a whole number, got "1"'),
        ({"plugins": [{"kind": None}]}, r"plugins\[0\]\.kind must be text, got null"),
    ],
)
def test_a_seal_of_wrong_types(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    out = make(tmp_path / "out")
    forge(out, **changes)

    with pytest.raises(BadFolder, match=rf"dataset\.json is damaged \({message}.*Make the dataset folder again"):
        open_seal(out, "dataset")


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "part/../../secret", ".."])
def test_a_seal_that_names_files_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("hello")
    out = make(tmp_path / "out")
    forge(out, {name: {"bytes": 5, "sha256": sha256(tmp_path / "secret")}})

    with pytest.raises(BadFolder, match=rf"names the file '{re.escape(name)}', which is not inside of the folder"):
        open_seal(out, "dataset", checksums=True)


@pytest.mark.parametrize("name", ["a" * 300, "b\0c", "part", "part/a.txt/x", ""])
def test_a_seal_that_names_what_can_be_no_file(tmp_path: Path, name: str) -> None:
    out = make(tmp_path / "out")
    forge(out, {name: {"bytes": 5, "sha256": ""}})

    with pytest.raises(BadFolder, match=r" is missing\. The dataset folder is cut short"):
        open_seal(out, "dataset")


@pytest.mark.parametrize("of", ["file", "folder"])
def test_links_stay_inside_of_the_folder(tmp_path: Path, of: str) -> None:
    out = make(tmp_path / "out")
    (out / "part" / "a.txt").rename(out / "kept.txt")
    (out / "part" / "a.txt").symlink_to("../kept.txt")
    assert open_seal(out, "dataset", checksums=True)

    shutil.copytree(out, tmp_path / "other")
    shutil.rmtree(out / "part")
    if of == "folder":
        (out / "part").symlink_to(tmp_path / "other" / "part")
    else:
        (out / "part").mkdir()
        (out / "part" / "a.txt").symlink_to(tmp_path / "other" / "kept.txt")

    with pytest.raises(BadFolder, match=r"a\.txt is a link to .*/other/.*\.txt, outside of the folder\. .*cp -rL"):
        open_seal(out, "dataset")
    (tmp_path / "link").symlink_to(tmp_path / "other")  # the whole folder may be one
    assert open_seal(tmp_path / "link", "dataset", checksums=True)


def test_a_seal_of_another_kind(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    edit_seal(out, kind="run")

    with pytest.raises(BadFolder, match="is a run folder, not a dataset folder"):
        open_seal(out, "dataset")


def test_a_newer_format(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    edit_seal(out, format_version=99)

    with pytest.raises(BadFolder, match=rf"format version 99; this hiersrec reads up to {FORMAT_VERSION}\. Update"):
        open_seal(out, "dataset")


def test_a_missing_file(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    (out / "part" / "a.txt").unlink()

    with pytest.raises(BadFolder, match=r"a\.txt is missing\. The dataset folder is cut short"):
        open_seal(out, "dataset")


def test_a_file_cut_short(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    (out / "part" / "a.txt").write_text("hel")

    with pytest.raises(BadFolder, match=r"a\.txt has 3 bytes, its seal says 5"):
        open_seal(out, "dataset")


def test_a_changed_file_of_equal_size_is_seen_with_checksums(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    (out / "part" / "a.txt").write_text("jello")

    assert open_seal(out, "dataset")["name"] == "toy"
    with pytest.raises(BadFolder, match=r"a\.txt does not match its checksum"):
        open_seal(out, "dataset", checksums=True)


def dead_process() -> int:
    """The number of one that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        return dead.pid


NUMBERS = ["ended", "of a living process", "too large"]


def number(of: str) -> int:
    """In the name of what a killed process left: its id, which may be that of another by now."""
    return {"ended": dead_process, "of a living process": os.getppid, "too large": lambda: int("9" * 30)}[of]()


@pytest.mark.parametrize("of", NUMBERS)
def test_what_killed_processes_left_is_swept(tmp_path: Path, of: str) -> None:
    left = [tmp_path / f".out.{number(of)}.{end}" for end in ("part", "old")]
    kept = [tmp_path / f".other.{number(of)}.part", tmp_path / ".out.notes", tmp_path / ".out.a.part"]
    for folder in (*left, *kept):
        folder.mkdir()
    make(tmp_path / "out")

    assert not any(folder.exists() for folder in left)
    assert all(folder.exists() for folder in kept)


@pytest.mark.parametrize("of", NUMBERS)
def test_an_interrupted_replacement_is_put_back(tmp_path: Path, of: str) -> None:
    make(tmp_path / "out").rename(tmp_path / f".out.{number(of)}.old")

    assert open_seal(tmp_path / "out", "dataset")["name"] == "toy"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_writer_has_renamed_aside_is_its_own(tmp_path: Path) -> None:
    make(tmp_path / "out").rename(tmp_path / f".out.{dead_process()}.old")

    with only_writer(tmp_path / "out"), pytest.raises(BadFolder, match="There is no dataset folder"):
        open_seal(tmp_path / "out", "dataset")
    assert open_seal(tmp_path / "out", "dataset")["name"] == "toy"


def test_without_locks_what_others_may_be_writing_stays(tmp_path: Path, monkeypatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / f".out.{os.getpid()}.part").mkdir()
    make(tmp_path / "out", "old").rename(tmp_path / f".out.{os.getpid()}.old")

    assert open_seal(tmp_path / "out", "dataset")["name"] == "toy"
    make(tmp_path / "out", "new", overwrite=True)

    assert (tmp_path / "out/part/a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".out.{os.getpid()}.part", "out"]


def test_a_link_to_nothing_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nowhere")

    with pytest.raises(BadFolder, match="out links to nowhere, which does not exist"):
        make(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").is_symlink()


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path) -> None:
    make(tmp_path / "first", "old")
    (tmp_path / "out").symlink_to("first")

    make(tmp_path / "out", "new", overwrite=True)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "out"]
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out/part/a.txt").read_text() == "new"
    assert (tmp_path / "first/part/a.txt").read_text() == "old"


@pytest.mark.parametrize("end", ["part", "old"])
@pytest.mark.parametrize("target", ["first", "nowhere"])
def test_a_link_that_a_killed_process_left_is_swept(tmp_path: Path, end: str, target: str) -> None:
    make(tmp_path / "first")
    make(tmp_path / "out")
    (tmp_path / f".out.{dead_process()}.{end}").symlink_to(target)

    make(tmp_path / "out", "new", overwrite=True)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "out"]
    assert open_seal(tmp_path / "first", "dataset", checksums=True)["name"] == "toy"


KILLED = """if True:
    import os, shutil, signal, sys
    from pathlib import Path
    from hiersrec.store.folder import new_folder, seal
    from tests.documents import DATASET

    def end(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def replace(self, target, true=Path.replace):
        if moment == "before the first rename" and self == out:
            end()
        if moment == "between the renames" and target == out:
            end()
        true(self, target)

    out, moment = Path(sys.argv[1]), sys.argv[2]
    def half(folder, *_, **__):
        (folder / "a.txt").unlink(missing_ok=True)
        end()

    if moment == "while the older one is removed":
        shutil.rmtree = half
    with new_folder(out, "dataset", overwrite=True) as folder:
        (folder / "a.txt").write_text("new")
        seal(folder, "dataset", {**DATASET, "name": "new"}, [folder / "a.txt"])
        Path.replace = replace
        end() if moment == "while writing" else None
"""
STEPS = {
    "while writing": "old",
    "before the first rename": "old",
    "between the renames": "old",
    "while the older one is removed": "new",
}


@pytest.mark.parametrize(("step", "opened"), [*((step, True) for step in STEPS), ("between the renames", False)])
def test_a_kill_at_any_step_of_replacing_leaves_one_of_the_two(tmp_path: Path, step: str, opened: bool) -> None:
    out = tmp_path / "out"
    with new_folder(out, "dataset") as folder:
        (folder / "a.txt").write_text("old")
        seal(folder, "dataset", {**DATASET, "name": "old"}, [folder / "a.txt"])

    done = subprocess.run([sys.executable, "-c", KILLED, out, step], check=False)

    assert done.returncode == -signal.SIGKILL
    assert out.exists() == (step != "between the renames")
    if opened:
        assert open_seal(out, "dataset", checksums=True)["name"] == STEPS[step]
    else:
        with pytest.raises(BadFolder, match=r"out exists already\."), new_folder(out, "dataset"):
            pass
        assert (out / "a.txt").read_text() == STEPS[step]
    make(out, "newest", overwrite=True)
    assert (out / "part" / "a.txt").read_text() == "newest"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("swept", [False, True])
def test_what_is_left_of_an_older_folder_is_not_put_back_when_the_newer_is_removed(tmp_path: Path, swept: bool) -> None:
    out = make(tmp_path / "out")
    (out / "a.txt").touch()
    if swept:
        shutil.copytree(out, tmp_path / f".out.{dead_process()}.old")  # of one that was killed just before

    done = subprocess.run([sys.executable, "-c", KILLED, out, "while the older one is removed"], check=False)
    shutil.rmtree(out)

    assert done.returncode == -signal.SIGKILL
    with pytest.raises(BadFolder, match="There is no dataset folder"):
        open_seal(out, "dataset")
    make(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_rename_that_fails_leaves_the_older_folder(tmp_path: Path, monkeypatch) -> None:
    out = make(tmp_path / "out", "old")
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".part") and target == out:
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="disk full"), new_folder(out, "dataset", overwrite=True):
        pass

    assert (out / "part" / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_writers_of_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"

    with new_folder(out, "dataset") as folder:
        seal(folder, "dataset", {**DATASET, "name": "first"}, [])
        with pytest.raises(BadFolder, match="Another process is writing"):
            make(out, overwrite=True)
        make(tmp_path / "other")

    assert open_seal(out, "dataset")["name"] == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_another_process_that_writes_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; from pathlib import Path; from hiersrec.store.folder import new_folder\n"
        f"with new_folder(Path({str(out)!r}), 'dataset'): print('writing', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        with pytest.raises(BadFolder, match="Another process is writing"):
            make(out)
        other.kill()
        other.wait()
    assert (tmp_path / ".out.lock").exists()  # a killed process leaves it, without a lock

    make(out)

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
