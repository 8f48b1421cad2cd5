"""Arrays on disk, mapped into memory."""

from pathlib import Path
from typing import Any

import numpy as np


def mapped(path: Path) -> Any:
    """The array of a .npy file as a plain one over a read-only map; a memmap's own class makes every slice dear."""
    return np.asarray(np.load(path, mmap_mode="r"))
