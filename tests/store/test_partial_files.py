import os
import subprocess
import sys
from pathlib import Path

from hiersrec.store.folder import new_file, write_text
from hiersrec.store.partial_files import is_partial, remove_partial_files


def test_a_new_file_removes_what_dead_processes_left_of_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        dead = process.pid
    left = [f".a[1].txt.{dead}.part", f".a[1].txt.{os.getpid()}.part", f".a[1].txt.{'9' * 30}.part"]
    kept = [f".a[1].txt.{os.getppid()}.part", f".b.txt.{dead}.part", ".a[1].txt.x.part", f"a[1].txt.{dead}.part"]
    for name in (*left, *kept):
        (tmp_path / name).touch()

    write_text(tmp_path / "a[1].txt", "whole")

    assert {path.name for path in tmp_path.iterdir()} == {*kept, "a[1].txt"}


def test_the_writer_of_a_folder_removes_all(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with new_file(tmp_path / "deep" / "a.txt") as temporary:
        assert is_partial(temporary)
        for name in ("a.part", ".a.part"):
            (tmp_path / name).touch()
        (tmp_path / "deep" / ".folder.1.part").mkdir()

        remove_partial_files(tmp_path)

        assert sorted(path.name for path in tmp_path.rglob("*")) == [".a.part", ".folder.1.part", "a.part", "deep"]
        temporary.touch()
