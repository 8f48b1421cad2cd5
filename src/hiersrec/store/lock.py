"""One writer of a folder at a time: a lock file `.NAME.lock` next to it, freed by the system when its process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiersrec.errors import BadFolder


def lock_file(out: Path) -> Path:
    """The file that is locked while `out` is written; it exists as long as the lock, and after a kill without one."""
    return out.parent / f".{out.name}.lock"


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Hold the lock of `out`. Raises BadFolder if another process or thread holds it.

    Process ids could not tell who writes: they come again, soon in a container. On a file system without locks there
    is no lock file, and then nothing that could be of another writer is removed.
    """
    path = lock_file(out)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise BadFolder(f"Another process is writing {out}. Wait for it, or choose another --out.") from None
        except OSError:  # a file system without locks
            path.unlink(missing_ok=True)
            break
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                break
        os.close(descriptor)  # its owner removed the file between the two calls
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before it is freed, so that nobody locks a file that is gone
        os.close(descriptor)
