"""Arrays and texts on disk, read through memory maps.

NAME.npy                         an array
NAME.bin                         N texts in UTF-8, concatenated
NAME.starts.npy (N + 1,) int64   offset of each text, and the end of the last
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def mapped(path: Path) -> Any:
    """A .npy file as a plain array over a read-only memory map; slicing a numpy.memmap itself is slow."""
    return np.asarray(np.load(path, mmap_mode="r"))


def expect(name: str, array: Any, dtype: npt.DTypeLike, shape: tuple[int, ...], stop: int | None = None) -> None:
    """Raise ValueError unless an array that was read has this type and shape, and values from 0 to below `stop`.

    What indexes other arrays must be in their bounds: compiled code may not look.
    """
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} holds {array.dtype} {array.shape}, and must hold {np.dtype(dtype)} {shape}")
    if stop is not None and array.size and not (array.min() >= 0 and array.max() < stop):
        raise ValueError(f"{name} has values that are not from 0 to {stop - 1}")


class Texts:
    """A sequence of N texts as bytes; `path` is FOLDER/NAME without a suffix."""

    def __init__(self, path: Path) -> None:
        self._blob = _mapped_bytes(path.with_suffix(".bin"))
        starts = mapped(path.with_suffix(".starts.npy"))
        expect(f"{path.name}.starts.npy", starts, np.int64, (starts.size,), len(self._blob) + 1)
        self._starts = memoryview(starts)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> bytes:
        return bytes(self._blob[self._starts[index] : self._starts[index + 1]])


def write_texts(path: Path, texts: list[bytes]) -> None:
    """Write the two files that `Texts` reads."""
    path.with_suffix(".bin").write_bytes(b"".join(texts))
    np.save(path.with_suffix(".starts.npy"), np.cumsum([0, *map(len, texts)], dtype=np.int64))


def as_bytes(text: str) -> bytes:
    """UTF-8 of a text; half a surrogate pair, which JSON may hold, is encoded too instead of raising."""
    return text.encode("utf-8", "surrogatepass")


def _mapped_bytes(path: Path) -> memoryview:
    if path.stat().st_size == 0:  # an empty file can't be mapped
        return memoryview(b"")
    blob: Any = np.asarray(np.memmap(path, np.uint8, "r"))
    return memoryview(blob)
