"""Bootstrap by session: whole sessions are drawn with replacement, since prefixes of one session are correlated.

A metric is a mean over prefixes, so its value in a resample is a ratio of two sums over the sessions drawn. With a row
of sums per session, and a resample as how often each session was drawn, resamples are a matrix product.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile intervals: chapter 13); sessions as clusters:
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
"""

from collections.abc import Callable

import numpy as np

from hiersrec.types import Float64

AT_ONCE = 2_000_000
"""Most session counts in memory: 16 MB, for any number of resamples."""


def resampled_sums(sums: Float64, draws: int, seed: int, progress: Callable[[int, int], None] | None = None) -> Float64:
    """Sums over S sessions drawn with replacement from S: (S, Q) float64 -> (draws, Q) float64.

    Row b of every column comes from the same sessions. `progress` gets (resamples done, all resamples).
    """
    sessions = len(sums)
    random = np.random.default_rng(seed)
    resampled = np.empty((draws, sums.shape[1]))
    step = max(1, AT_ONCE // sessions)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = random.integers(sessions, size=(rows, sessions))
        drawn += np.arange(rows)[:, None] * sessions  # separate bins for each resample
        times = np.bincount(drawn.ravel(), minlength=rows * sessions).reshape(rows, sessions)  # (rows, S)
        resampled[start : start + rows] = times.astype(np.float64) @ sums
        if progress:
            progress(start + rows, draws)
    return resampled


def interval(resampled: Float64, level: float) -> list[float]:
    """Low and high end of the percentile interval with the share `level` of the resampled values, (draws,) float64."""
    return [float(end) for end in np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])]
