"""Blocks of rows of large arrays: what is done to one block at a time stays nearer to the processor.

At each step of training, the vectors of a whole catalogue are made from tables of the same size, by operations that
read and write an array of that size each. Memory is slower than their arithmetic.
"""

from collections.abc import Iterator

from torch import Tensor

NUMBERS = 2**20
"""Numbers of a block on a processor, 4 MB in float32; a GPU takes all rows at once. On 43 thousand items of 256 numbers
a step took 546 ms in arrays of the whole catalogue, 477 ms in blocks of this size and 546 ms in blocks of an eighth,
where each small operation costs more than it saves."""
MOST = 256
"""Blocks at most, however many rows: five thousand blocks made the memory of a step on 20 million items, which
training/memory_estimate.py counts operation by operation, take 35 s of processor time, and these take 5."""


def blocks(vectors: Tensor) -> Iterator[slice]:
    """Consecutive blocks that together are all rows of vectors (R, d)."""
    rows, width = vectors.shape
    size = max(1, NUMBERS // max(1, width), -(-rows // MOST)) if vectors.device.type == "cpu" else max(1, rows)
    yield from (slice(start, min(start + size, rows)) for start in range(0, rows, size))
