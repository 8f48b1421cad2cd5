"""p-values of "ours is better", one-sided, and their correction for many baselines."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr

from hiersrec.types import Float64


def p_resampled(differences: Float64) -> float:
    """One-sided p-value of a bootstrap: (1 + resamples where ours is not better) / (1 + resamples).

    differences: (draws,) float64, ours minus the baseline, both of the same sessions. Never 0; 1 for equal runs.

    >>> p_resampled(np.array([0.2, 0.1, 0.0, 0.3]))
    0.4
    """
    return (1 + int((differences <= 0).sum())) / (1 + len(differences))


def p_welch(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """One-tailed t-test of "the mean of ours is greater" over seeds, variances unequal (Welch 1947).

    None where it is undefined: a side has one value, or neither side varies.
    """
    if min(len(ours), len(theirs)) < 2:
        return None
    parts = [float(np.var(side, ddof=1)) / len(side) for side in (ours, theirs)]
    if sum(parts) == 0:
        return None
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (ours, theirs), strict=True))
    t = (float(np.mean(ours)) - float(np.mean(theirs))) / math.sqrt(sum(parts))
    return float(stdtr(freedom, -t))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction (1979), which bounds the chance of even one false "better"; None stays None and doesn't count.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none gets smaller than the one before.

    >>> holm([0.03, None, 0.01, 0.02])
    [0.04, None, 0.03, 0.04]
    """
    corrected: list[float | None] = [None] * len(p_values)
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for smaller, (p, index) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - smaller) * p))
        corrected[index] = highest
    return corrected
