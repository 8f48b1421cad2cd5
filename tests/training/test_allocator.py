import ctypes
import os
import platform

import numpy as np
import pytest

from hiersrec.training import allocator


def test_memory_works_as_before() -> None:
    for _ in range(2):
        allocator.keep_freed_memory()
        block = np.ones(10_000_000)  # 80 MB, above the bound from which blocks were mapped
        assert block.sum() == 10_000_000
        del block


def test_other_c_libraries_are_left_as_they_are(monkeypatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("a foreign C library was opened"))

    allocator.keep_freed_memory()


def test_kernels_are_few_unless_somebody_says_otherwise(monkeypatch) -> None:
    name, few = allocator.KERNELS
    for before, after in ((None, few), ("7", "7")):
        monkeypatch.delenv(name, raising=False)
        if before is not None:
            monkeypatch.setenv(name, before)

        allocator.limit_kernels()

        assert os.environ[name] == after
