import os
import subprocess
import sys
from pathlib import Path

import pytest

from hiersrec.store.folder import new_file
from hiersrec.store.partial_files import is_partial, remove_partial_files


@pytest.mark.parametrize("only_writer", [True, False])
def test_partial_files_go_unless_their_process_may_still_write_them(tmp_path: Path, only_writer: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        dead = process.pid
    left = [f".a.txt.{dead}.part", f".a.txt.{os.getpid()}.part", f".a.txt.{'9' * 30}.part"]
    living = f".a.txt.{os.getppid()}.part"
    others = ["a.part", ".a.part", ".a.txt.x.part", f"a.txt.{dead}.part"]
    (tmp_path / "deep").mkdir()
    for name in (*left, living, *others):
        (tmp_path / "deep" / name).touch()

    remove_partial_files(tmp_path, only_writer=only_writer)

    assert {path.name for path in (tmp_path / "deep").iterdir()} == {*others, *([] if only_writer else [living])}


def test_they_are_called_as_new_files_are(tmp_path: Path) -> None:
    with new_file(tmp_path / "a.txt") as temporary:
        assert is_partial(temporary.name)
