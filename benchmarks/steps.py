"""Steps of a real training, timed: hiersrec's own loop, which a progress reporter stops once enough steps are done."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from measuring import Clock, Enough

from hiersrec.build import build_trainable
from hiersrec.config import Recipe
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter
from hiersrec.training.teachers import Teachers


class Stopwatch(SilentReporter):
    """A reporter that tells the clock of every step, and ends the training when the clock does, or the epoch."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.epochs, self.before = clock, 0, 0

    def start(self, title: str, total: int) -> None:
        """A stretch: only the first is an epoch of training."""
        del title, total
        if self.epochs:
            raise Enough
        self.epochs += 1

    def step(self, done: int, note: str) -> None:
        """`done` examples of the epoch are finished."""
        del note
        self.clock.tick(done - self.before)
        self.before = done

    def end(self) -> None:
        """The epoch is over: no validation."""
        raise Enough


def opened(folder: Path, recipe: str, overrides: Sequence[str]) -> tuple[Recipe, TrainingData]:
    """A recipe of the package that fits every dataset, changed as `--set` changes it, and a dataset folder's data."""
    one_epoch = [*overrides, "training.epochs=1"]  # its steps are timed, no more
    return read_recipe(find_recipe(recipe, "any"), one_epoch), Dataset.open(folder).training()


def train(
    recipe: Recipe,
    data: TrainingData,
    clock: Clock,
    prepare: Callable[[Trainable], None] | None = None,
    teachers: Teachers | None = None,
) -> None:
    """Train until the clock says enough, or to the end of the first epoch. `prepare` gets the model before."""
    assert recipe.training is not None
    torch.manual_seed(recipe.training.seed)
    model = build_trainable(recipe, data.catalog, data.train)
    if prepare:
        prepare(model)
    with tempfile.TemporaryDirectory() as state:
        try:
            loop.fit(model, data, recipe.training, Path(state), Stopwatch(clock), teachers=teachers)
        except Enough:
            return


def timed(folder: Path, recipe: str, overrides: Sequence[str], clock: Clock) -> dict[str, Any]:
    """Examples a second of a recipe on a dataset folder."""
    chosen, data = opened(folder, recipe, overrides)
    train(chosen, data, clock)
    return clock.found()
