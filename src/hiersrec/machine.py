"""Failures of the machine: a full or read-only disk, too many open files, no memory.

Libraries report them by many classes of errors, which have in common the system's number or its words.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hiersrec.errors import HiersrecError, MachineError

WAYS_OUT = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    errno.EDQUOT: "Free some space, or choose a folder on another disk.",
    errno.EFBIG: "Raise the limit (ulimit -f), or choose a folder on another disk.",
    errno.EROFS: "Choose a folder on another disk.",
    errno.EMFILE: "Raise the limit (ulimit -n).",
    errno.ENFILE: "Close other programs, or raise the limit of the system.",
    errno.EIO: "Check the disk; copy what can be read to another one.",
    errno.ENOMEM: "Close other programs, or use a machine with more memory; see `hiersrec describe`.",
}
"""Number of the system's error -> what to do."""
NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "std::bad_alloc")
"""What libraries write, in small letters, that report it by a class of their own."""
NO_TEMPORARY = "no usable temporary directory"
"""What Python writes where no folder for temporary files can be written, as on a full disk."""


def failure_of(error: BaseException) -> MachineError | None:
    """The error for a person, if the machine is to blame for `error`."""
    if isinstance(error, HiersrecError):  # has its own words already
        return None
    number = error.errno if isinstance(error, OSError) else None
    words = str(error).lower()
    if NO_TEMPORARY in words:
        return MachineError(f"{error.args[-1]}. Free some space there, or name another folder by TMPDIR.")
    if isinstance(error, MemoryError) or any(text in words for text in NO_MEMORY):
        number = errno.ENOMEM
    if number not in WAYS_OUT:
        number = next((code for code in WAYS_OUT if os.strerror(code).lower() in words), None)
    if number is None:
        return None
    name = getattr(error, "filename", None)
    where = f"{name}: " if isinstance(name, str | os.PathLike) else ""
    return MachineError(f"{where}{os.strerror(number)}. What stood before is as it was. {WAYS_OUT[number]}")


@contextmanager
def machine_errors() -> Iterator[None]:
    """Raise a MachineError in place of any error for which the machine is to blame."""
    try:
        yield
    except Exception as error:
        if (failure := failure_of(error)) is None:
            raise
        raise failure from error
