"""bf16 where the processor gains from it: some multiply bf16 five times faster than float32, others are slow at it."""

import platform
from functools import cache
from timeit import repeat
from typing import Literal

import torch

MIN_SPEEDUP = 1.5
"""Speed-up from which bf16 is chosen; measured ones are far below or above (0.1 to 0.5, or 3 to 6)."""
ROWS, INNER, COLUMNS = 512, 256, 2048
"""Sizes of the matrix product that is timed."""


def choose(precision: Literal["auto", "bf16", "float32"], device: torch.device) -> torch.dtype:
    """The dtype of matrix products in training; for "auto" the faster one on this device."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if (has := _has_bf16()) is not None:
        return torch.bfloat16 if has else torch.float32
    return torch.bfloat16 if _seconds(torch.float32) > MIN_SPEEDUP * _seconds(torch.bfloat16) else torch.float32


def rate(dtype: torch.dtype) -> float:
    """Operations per second of matrix products in `dtype` on this processor, with torch's number of threads."""
    return 2 * ROWS * INNER * COLUMNS / _seconds(dtype)


def _has_bf16() -> bool | None:
    """Whether this processor has instructions for it; None if that is not known, and only a measurement tells.

    A measurement is the worse answer: one of a busy machine may be wrong, and one of emulated products takes seconds.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return None
    if "AVX512" not in torch.backends.cpu.get_cpu_capability():
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch
        return None
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities["avx512_bf16"] or capabilities["amx_bf16"])


def _seconds(dtype: torch.dtype) -> float:
    """Best of five products of a training step's shape, a few milliseconds each; timed once a process."""
    return _timed(dtype, torch.get_num_threads())


@cache
def _timed(dtype: torch.dtype, threads: int) -> float:
    del threads  # only part of the cache's key: torch uses that many
    left, right = torch.ones(ROWS, INNER, dtype=dtype), torch.ones(INNER, COLUMNS, dtype=dtype)
    return min(repeat(lambda: left @ right, number=1, repeat=5))
