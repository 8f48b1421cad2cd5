"""The span of time of some sessions in words, and a split that it allows, for messages and advice."""

import numpy as np

from hiersrec.preparation import times
from hiersrec.types import Float64

DAY = 86_400.0
MIN_SESSIONS = 3
"""One session each for training, validation and test."""
MOST_TEST = 0.3
"""A split is advised if at most this share of the sessions is for test."""


def of_times(ends: Float64) -> str:
    """Earliest and latest of some times (S,) in UTC seconds, and the days between them."""
    first, last = float(ends.min()), float(ends.max())
    return f"from {times.utc(first)} to {times.utc(last)} ({length(last - first)})"


def length(seconds: float) -> str:
    """A length of time in the unit that suits it: "7.0 days", "2.5 hours", "40 seconds"."""
    for name, size in (("days", DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.3g} seconds"


def advised_split(ends: Float64 | None, count: int) -> str:
    """A value of `--split` that leaves training and test sessions, given the ends (S,) of `count` sessions.

    The last 7 days where they are at most a quarter of the span, else the last day, else about a fifth of the span;
    a share of the sessions where too many of them end in those days, and a random share without times.
    """
    if ends is None:
        return "random:0.2" if count < 1000 else "random:0.1"
    last = float(ends.max())
    span = (last - float(ends.min())) / DAY
    fifth = round(float(f"{span / 5:.1g}"), 7)  # as it is written; none for a span below a hundredth of a second
    for days in (7.0, 1.0, fifth):
        if 0 < days <= span / 4:
            share = float(np.mean(ends > last - days * DAY))
            if share * count >= 1 and share <= MOST_TEST:
                return f"last-days:{days:.7f}".rstrip("0").rstrip(".")
    return "fraction:0.1" if count >= 10 else "fraction:0.3"
