"""`epochs = "auto"`: the number of epochs follows from the number of training prefixes.

The learning rate falls to zero over all epochs, so their number decides how a training goes even where it stops early.
Shops of a tenth of the size read their sessions several times as often; docs/log/2026-11-30.md has measurements.
"""

from dataclasses import replace

from hiersrec.config import Recipe
from hiersrec.store.dataset import Dataset, TrainingData

PREFIXES = 2_000_000
"""Prefixes that all epochs together read, where that gives no fewer than FEWEST epochs and no more than MOST."""
FEWEST, MOST = 3, 20


def epochs_for(prefixes: int) -> int:
    """The number of epochs for that many training prefixes."""
    return min(MOST, max(FEWEST, round(PREFIXES / max(1, prefixes))))


def with_epochs(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe, with a number of epochs in place of "auto"."""
    config = recipe.training
    if config is None or config.epochs != "auto":
        return recipe
    prefixes = prefixes_of(dataset.training(), config.newest_share)
    return replace(recipe, training=replace(config, epochs=epochs_for(prefixes)))


def prefixes_of(data: TrainingData, newest_share: float) -> int:
    """Prefixes that an epoch on the newest share of the training sessions reads."""
    return int(data.train.newest(newest_share).prefix_counts().sum())
