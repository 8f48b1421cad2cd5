"""Origin of numbers: versions, and the commit if hiersrec runs from its git checkout."""

import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from hiersrec import __version__

ROOT = Path(__file__).parents[3]
"""The checkout, if this is one."""


def origin() -> dict[str, str]:
    """Versions by name, and "commit" if there is one (with "-dirty" if tracked files differ from it)."""
    versions = {"hiersrec": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in ("torch", "numpy")}
    sha = commit(ROOT)
    return versions | ({"commit": sha} if sha else {})


def short(commit: str) -> str:
    """Abbreviate a commit.

    >>> short("c360946e5f3a51e8c8d5c1b7b3f0c4a1d2e3f405-dirty")
    'c360946e5-dirty'
    """
    sha, dash, dirty = commit.partition("-")
    return f"{sha[:9]}{dash}{dirty}"


def commit(root: Path) -> str | None:
    """The commit of a git checkout, such as "c360946...-dirty"; None if `root` is not one or git is not installed."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    words = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # no user input
    return done.stdout.strip() or None
