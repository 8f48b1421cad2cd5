"""Files `.NAME.PID.part` that killed processes were writing (folder.new_file)."""

import glob
import os
import re
from pathlib import Path

NAME = re.compile(r"\..+\.(\d+)\.part")


def partial_name(path: Path) -> Path:
    """Where this process writes what will be `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def is_partial(path: Path) -> bool:
    """Whether a file of this name was being written."""
    return NAME.fullmatch(path.name) is not None and path.is_file()


def remove_partial_files(folder: Path) -> None:
    """Remove partial files in `folder` and below it. Only its one writer may call this."""
    for path in folder.rglob(".*.part"):
        if is_partial(path):
            path.unlink()


def remove_older(path: Path) -> None:
    """Remove what processes that have ended left of `path`."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        match = NAME.fullmatch(partial.name)
        if match and partial.is_file() and not _is_another(int(match[1])):
            partial.unlink(missing_ok=True)


def _is_another(process: int) -> bool:
    """Whether another process of this number lives; it may be a later one, then a file stays that could go."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # too large for a process id
        return False
    except PermissionError:
        return True
    return True
