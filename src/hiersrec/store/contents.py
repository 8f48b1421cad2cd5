"""Checksums of contents, read once: a large file whose identity is known is not read again.

The identity of a file is its place on its disk, its size, and the times of its last changes to nanoseconds; the system
sets one of these itself. The user's cache folder keeps the checksums of the files that were read last. Small files are
read again, which takes no longer than to remember them; and so is a file that changed a moment ago, since it could
change again within the same tick of the clock.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hiersrec.errors import BadFolder, HiersrecError
from hiersrec.machine import failure_of
from hiersrec.store.folder import check_content, sha256, write_text
from hiersrec.store.json_form import read_json

LARGE = 1 << 24
"""Bytes from which a file is remembered."""
MOST = 1000
"""Files that are remembered."""
YOUNG = 2e9
"""Nanoseconds since the last change in which a file is not remembered."""


def check_contents(folder: Path, files: Mapping[str, Mapping[str, Any]], part: str, kind: str) -> None:
    """Check the content of the sealed `files` of a folder that are below `part`, such as "train/". Raises BadFolder."""
    for name, facts in files.items():
        if name.startswith(part):
            check_content(folder / name, facts, kind, checksum(folder / name))


def checksum(file: Path) -> str:
    """The SHA-256 of a file, read if it is not remembered."""
    status = file.stat()
    if status.st_size < LARGE:
        return sha256(file)
    identity = _identity(status)
    if (known := _remembered().get(identity)) is not None:
        return known
    computed = sha256(file)
    is_old = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > YOUNG
    if is_old and _identity(file.stat()) == identity:
        _remember(identity, computed)
    return computed


def _identity(status: os.stat_result) -> str:
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "-".join(map(str, facts))


def cache_file() -> Path:
    """Where checksums are remembered."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "hiersrec" / "checksums.json"


def _remembered() -> dict[str, str]:
    try:
        return dict(read_json(cache_file(), {str: str}, ""))
    except (OSError, RuntimeError, BadFolder):  # there is none, or no home, or it is damaged
        return {}


def _remember(identity: str, computed: str) -> None:
    """Add a checksum, and forget the oldest above MOST. Another process that does so too may win."""
    with suppress(OSError, RuntimeError, HiersrecError):  # where nothing can be written, files are read each time
        known = {**_remembered(), identity: computed}
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(dict(list(known.items())[-MOST:]), indent=0) + "\n")


@contextmanager
def readable(folder: Path, kind: str) -> Iterator[None]:
    """Raise BadFolder in place of an error of files that have their checksums, and are not what the code writes."""
    try:
        yield
    except HiersrecError:
        raise
    except Exception as error:  # of whichever library reads the file
        if failure_of(error) is not None:
            raise
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise BadFolder(
            f"{folder} can't be read: {why}. Its seal is whole, so the files were written so: make the {kind} folder "
            f"again, with this hiersrec."
        ) from error
