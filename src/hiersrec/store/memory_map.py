"""Arrays and texts on disk, read through memory maps.

NAME.npy                         an array
NAME.bin                         N texts in UTF-8, one after the other
NAME.starts.npy (N + 1,) int64   where each text begins
"""

from pathlib import Path
from typing import Any

import numpy as np


def mapped(path: Path) -> Any:
    """The array of a .npy file as a plain one over a read-only map; the class numpy.memmap makes slicing slow."""
    return np.asarray(np.load(path, mmap_mode="r"))


class Texts:
    """N texts as bytes."""

    def __init__(self, path: Path) -> None:
        """path: without what NAME ends in."""
        self._blob = _mapped_bytes(path.with_suffix(".bin"))
        self._starts = memoryview(mapped(path.with_suffix(".starts.npy")))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, at: int) -> bytes:
        return bytes(self._blob[self._starts[at] : self._starts[at + 1]])


def write_texts(path: Path, texts: list[bytes]) -> None:
    """Write the two files of `Texts`."""
    path.with_suffix(".bin").write_bytes(b"".join(texts))
    np.save(path.with_suffix(".starts.npy"), np.cumsum([0, *map(len, texts)], dtype=np.int64))


def as_bytes(text: str) -> bytes:
    """A text as it is kept; half a character, as JSON may hold, is found nowhere."""
    return text.encode("utf-8", "surrogatepass")


def _mapped_bytes(path: Path) -> memoryview:
    if path.stat().st_size == 0:  # which can't be mapped
        return memoryview(b"")
    blob: Any = np.asarray(np.memmap(path, np.uint8, "r"))
    return memoryview(blob)
