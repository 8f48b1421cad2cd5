"""Memory settings for training: keep freed memory in the process, and few oneDNN kernels.

glibc returns every freed block above 32 MB to the system, and each step requires the same few blocks again, which the
system zeroes page by page. Keeping them makes training on a 43 K catalogue 1.3 times faster
(benchmarks/freed_memory.py). Two mallopt settings do it; other C libraries are left as they are.

oneDNN, which multiplies in bf16, compiles a kernel of half a megabyte per shape and keeps the last 1,024. Batches of
sessions keep having new shapes, so most kernels are never used again, but they fragment the heap between the large
blocks of the steps. A step needs some twenty (docs/do/large-catalogues.md has what it saves).
"""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KERNELS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
"""Environment variable of oneDNN, and the number of kernels to keep."""


def limit_kernels() -> None:
    """Keep 64 kernels of oneDNN unless the environment says otherwise; without effect once the process has one."""
    os.environ.setdefault(*KERNELS)


def keep_freed_memory() -> None:
    """Never memory-map large blocks and never trim the heap, for the rest of this process."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
