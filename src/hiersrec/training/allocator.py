"""Keep freed memory in the process while training, and few kernels.

glibc hands every freed block above 32 MB back to the system, and each step asks for the same few blocks again, which
the system zeroes page by page. Keeping them makes training on a 43 K catalogue 1.3 times faster
(benchmarks/freed_memory.py). Two mallopt settings do it; other C libraries are left as they are.

oneDNN, which multiplies in bf16, makes a kernel for each shape and keeps the last 1,024 of them. Batches of sessions
have ever new shapes, so most of these half megabytes are never used again, and they lie between the blocks of the
steps, which then fit nowhere. A step needs some twenty (docs/model.md has what it saves).
"""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
"""Environment variable of oneDNN, and how many kernels it is to keep."""


def limit_kernels() -> None:
    """Keep 64 kernels of oneDNN, or as many as the environment says. Without effect once this process has one."""
    os.environ.setdefault(*KERNELS)


def keep_freed_memory() -> None:
    """Never map large blocks anew and never trim the heap. For the rest of this process."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
