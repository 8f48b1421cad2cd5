"""The temporary folder for the metrics of several workers; those of services that were killed are removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "hiersrec-metrics-"
YOUNG = 60.0
"""Seconds in which a folder without a lock may belong to a service that is just starting."""


@contextlib.contextmanager
def metrics_folder() -> Iterator[str]:
    """A folder that is locked while this process lives."""
    remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(descriptor)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user that no living service has locked."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # locked, or another's, or just removed
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_ctime < YOUNG:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)
