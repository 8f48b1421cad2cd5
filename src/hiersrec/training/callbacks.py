"""Callbacks: a training reports its start, steps, epochs and end as numbers. Trackers are callbacks, see loggers/.

A callback gets no model and no data, so it can't change what is trained, but it may end the training after an epoch. An
error that it raises ends it as well, unfinished: it can be resumed.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiersrec import registry
from hiersrec.errors import named_extras

LOG_EVERY = 50
"""Steps between those that the trackers in loggers/ record: a request to a server at each step would slow training."""


@dataclass(frozen=True)
class TrainingStart:
    """What is trained, when a training starts or is resumed."""

    out: Path
    """The run folder, still without its run.json. If it will replace a finished run, it is NAME.training until then."""
    state: Path
    """Folder of what a resumed training needs, such as the id of a tracker's run. Removed when the run is finished."""
    recipe: str
    settings: dict[str, Any]
    """Every setting by its place, as --set spells it: {"training.seed": 0}."""
    dataset: str
    fingerprint: str
    """Checksum of the dataset's catalogue."""
    parameters: int
    name: str = ""
    """Of the finished run folder."""
    epochs: int = 0
    """Most epochs; 0 for a baseline that counts, which has no steps either."""
    steps_per_epoch: int = 0
    """With `positions = "all"` an epoch may have a few steps more or less."""
    epoch: int = 0
    """Epochs finished before; more than 0 only if the training is resumed."""
    step: int = 0
    """Steps of the last checkpoint, over all epochs. Those that came after it are trained, and reported, once more."""


class Callback:
    """Override what you need. Events come in this order, and `metrics` belongs to the callback.

    A baseline that counts has no steps and no epochs. Of several processes only the first calls callbacks.
    """

    def on_start(self, run: TrainingStart) -> None:
        """Before the first step, also of a resumed training."""

    def on_step(self, step: int, metrics: dict[str, float]) -> None:
        """After each step, from 1 over all epochs: "loss/item" of the batch, "learning_rate", "examples_per_s"."""

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> bool | None:
        """After each epoch, from 1: "loss/item" (mean), "valid/mrr@20", "valid/category_1/mrr@20", "train_s".

        True ends the training here: the run is finished with its best epoch so far.
        """

    def on_end(self, metrics: dict[str, float]) -> None:
        """Once the run folder is complete: "best/epoch", "best/valid/mrr@20". Not after an error or Ctrl-C."""

    def close(self) -> None:
        """Last, also after an error or Ctrl-C, if `on_start` was successful: close files and connections."""


class CallbackGroup:
    """The callbacks of one training."""

    def __init__(self, callbacks: Sequence[Callback] = (), run: TrainingStart | None = None) -> None:
        self.callbacks, self.run, self.started = tuple(callbacks), run, ExitStack()

    def __bool__(self) -> bool:
        return bool(self.callbacks)

    def start(self, *, steps_per_epoch: int = 0, epoch: int = 0, step: int = 0) -> None:
        for callback in self.callbacks:
            assert self.run is not None, "callbacks are told what is trained"
            callback.on_start(replace(self.run, steps_per_epoch=steps_per_epoch, epoch=epoch, step=step))
            self.started.callback(callback.close)

    def step(self, step: int, metrics: dict[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_step(step, dict(metrics))

    def epoch(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Whether any of them ends the training."""
        answers = [callback.on_epoch(epoch, dict(metrics)) for callback in self.callbacks]  # each hears of it
        return any(answers)

    def end(self, metrics: dict[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_end(dict(metrics))

    def close(self) -> None:
        """Close what was started, each even if closing another one fails."""
        self.started.close()


def flat_metrics(record: dict[str, Any]) -> dict[str, float]:
    """The values of an epoch's record under flat names: {"loss": {"item": 7.1}} is {"loss/item": 7.1}."""
    metrics: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            metrics |= {f"{name}/{inner}": number for inner, number in flat_metrics(value).items()}
        else:
            metrics[name] = float(value)
    return metrics


def loggers_of(texts: Sequence[str], out: Path) -> list[Callback]:
    """The trackers that --log names for the run folder `out`: "csv", or "mlflow=sqlite:///runs.db" with a target.

    Raises UnknownName if there is no such tracker, MissingExtra if its package is not installed.
    """
    loggers: list[Callback] = []
    for text in dict.fromkeys(texts):
        name, _, target = text.partition("=")
        with named_extras():
            loggers.append(registry.load("training.loggers", name).build(target or None, out))
    return loggers
