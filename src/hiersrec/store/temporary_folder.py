"""A folder that lives as long as the objects that need it."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

HELD = "_temporary"
"""The attribute by which an object keeps its temporary folder."""


class TemporaryFolder:
    """A folder that is removed with the last object, or copy of an object, that holds this one."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="hiersrec-"))
        self.remove = weakref.finalize(self, _remove, self.path, os.getpid())

    def held_by(self, owner: object) -> None:
        """Keep the folder as long as `owner` lives."""
        vars(owner)[HELD] = self

    def __deepcopy__(self, memo: dict[int, Any]) -> "TemporaryFolder":
        return self

    def __reduce__(self) -> tuple[type[Path], tuple[str]]:
        """What another process gets holds nothing: the folder is there as long as this process needs it."""
        return Path, (str(self.path),)


def _remove(path: Path, process: int) -> None:
    if os.getpid() == process:  # a forked process must not take the folder away from its parent
        shutil.rmtree(path, ignore_errors=True)
