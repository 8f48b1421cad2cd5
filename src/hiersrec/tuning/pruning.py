"""A trial that is behind ends early: the median stopping rule (Golovin et al., Google Vizier, KDD 2017).

After each epoch its validation metric is compared with those of the earlier trials after the same epoch. The rule needs
nothing but trials.json, so a resumed search ends the same trials as one without a stop.
"""

import statistics
from collections.abc import Callable, Sequence

from hiersrec.training.callbacks import Callback

LEAST = 5
"""Earlier trials that must have had the epoch; before, no trial is ended."""

Curve = Sequence[float]
"""Validation metric after each epoch of a trial; higher is better."""


class Pruner(Callback):
    """Ends a training that is behind, and says so. `metric` is one of each epoch's validation, such as mrr@20."""

    def __init__(self, metric: str, earlier: Sequence[Curve], say: Callable[[str], None]) -> None:
        self.metric, self.earlier, self.say = metric, earlier, say

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> bool:
        value, median = metrics[f"valid/{self.metric}"], median_after(epoch, self.earlier)
        if median is None or value >= median:
            return False
        self.say(
            f"tune: the trial ends here: {self.metric.upper()} {value:.4f} after epoch {epoch} is below {median:.4f}, "
            "the median of the earlier trials"
        )
        return True


def median_after(epoch: int, earlier: Sequence[Curve]) -> float | None:
    """What the earlier trials had after this epoch, from 1; None if fewer than LEAST had it."""
    values = [curve[epoch - 1] for curve in earlier if len(curve) >= epoch]
    return statistics.median(values) if len(values) >= LEAST else None
