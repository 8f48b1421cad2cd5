import shutil
import subprocess

import pytest

from hiersrec import __version__
from hiersrec.writing.origin import commit, origin


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    (tmp_path / "file").write_text("a")
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "file"], [*who, "commit", "-q", "-m", "a"], ["tag", "v1"]):
        subprocess.run([git, "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_a_commit_is_named_and_whether_files_differ_from_it(checkout) -> None:
    clean = commit(checkout)
    (checkout / "file").write_text("b")

    assert clean is not None
    assert len(clean) == 40
    assert commit(checkout) == f"{clean}-dirty"


def test_outside_a_checkout_there_is_none(checkout, tmp_path_factory) -> None:
    inside = checkout / "site-packages"
    inside.mkdir()

    assert commit(inside) is None
    assert commit(tmp_path_factory.mktemp("plain")) is None


def test_versions_are_always_there() -> None:
    assert origin()["hiersrec"] == __version__
    assert {"python", "torch", "numpy"} <= set(origin())
