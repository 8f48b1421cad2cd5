"""Folders of services that were killed are removed, and no others."""

import time
from pathlib import Path

from hiersrec.http import metrics_folder as module
from hiersrec.http.metrics_folder import PREFIX, metrics_folder, remove_abandoned


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "counter_1.db").touch()
    return folder


def test_what_a_killed_service_left_is_removed_at_the_next_start(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(module, "YOUNG", 0)
    left, other = _folder(tmp_path, f"{PREFIX}left"), _folder(tmp_path, "other")
    (tmp_path / f"{PREFIX}link").symlink_to(other)

    with metrics_folder() as first, metrics_folder() as second:
        assert not left.exists()
        assert Path(first).is_dir()
        assert Path(second).is_dir()

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{PREFIX}link", "other"]
    assert (other / "counter_1.db").exists()


def test_a_young_folder_may_belong_to_a_service_that_is_starting(tmp_path, monkeypatch) -> None:
    folder = _folder(tmp_path, f"{PREFIX}young")

    remove_abandoned(tmp_path)
    assert folder.exists()

    later = time.time() + module.YOUNG + 1
    monkeypatch.setattr("time.time", lambda: later)
    remove_abandoned(tmp_path)
    assert not folder.exists()


def test_a_folder_of_another_user_is_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "YOUNG", 0)
    folder = _folder(tmp_path, f"{PREFIX}theirs")
    monkeypatch.setattr("os.getuid", lambda: folder.stat().st_uid + 1)

    remove_abandoned(tmp_path)

    assert folder.exists()
