"""Files `.NAME.PID.part` that killed processes were writing (folder.new_file)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

NAME = re.compile(r"\..+\.(\d+)\.part")


def is_partial(name: str) -> bool:
    """Whether a file of this name was being written."""
    return NAME.fullmatch(name) is not None


def remove_partial_files(folder: Path, *, only_writer: bool) -> None:
    """Remove partial files in `folder` and below it, if not `only_writer` without those of processes that live."""
    for path, process in _partial_files(folder):
        if only_writer or not _is_another(process):
            path.unlink(missing_ok=True)


def _partial_files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in sorted(folder.rglob(".*.part")):
        if (match := NAME.fullmatch(path.name)) and path.is_file():
            yield path, int(match[1])


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
