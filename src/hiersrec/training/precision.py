"""bf16 where the processor gains from it: some multiply bf16 five times faster than float32, others are slow at it."""

import time
from typing import Literal

import torch

WORTH = 1.5
"""bf16 is taken from this speed-up on; the measured ones lie far to either side (0.1 to 0.5, or 3 to 6)."""

ROWS, INNER, COLUMNS = 512, 256, 2048
"""Sizes of the product that is timed."""


def choose(precision: Literal["auto", "bf16", "float32"], device: torch.device) -> torch.dtype:
    """The dtype of matrix products in training: the one asked for, or for "auto" the faster one on this device."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if _seconds(torch.float32) > WORTH * _seconds(torch.bfloat16) else torch.float32


def rate(dtype: torch.dtype) -> float:
    """Operations per second of matrix products in `dtype` on this processor, with as many threads as torch has."""
    return 2 * ROWS * INNER * COLUMNS / _seconds(dtype)


def _seconds(dtype: torch.dtype) -> float:
    """Best of five products of a training step's shape, a few milliseconds each."""
    left, right = torch.ones(ROWS, INNER, dtype=dtype), torch.ones(INNER, COLUMNS, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return best
