"""Share of the prefixes whose next item is the very first of the list."""

import numpy as np

from hiersrec.evaluation.metrics import Results
from hiersrec.types import Float64

USES = ("rank",)


def values(results: Results, k: int) -> Float64:
    """1 where the rank is 1, whatever k is."""
    del k
    return (results.rank == 1).astype(np.float64)
