"""The recipe of a training for which none was named: the most accurate one, or `sampled` where that takes too long."""

from collections.abc import Sequence

import torch

from hiersrec.config import ModelRecipe, Recipe
from hiersrec.store.dataset import TrainingData
from hiersrec.training import allocator
from hiersrec.training.advice import full_softmax_seconds
from hiersrec.training.distributed import ProcessGroup
from hiersrec.training.progress import ProgressReporter, duration

LARGE_RECIPE = "sampled"
LONG = 3600.0
"""Seconds of an epoch from which the full softmax is too slow to be chosen for someone."""
OWN_CHOICES = ("tasks.item.", "training.teachers", "training.weight_decay")
"""Settings that the recipe for large catalogues depends on, or does without: who changes one has made a choice."""


def is_too_slow(
    recipe: Recipe,
    changes: Sequence[str],
    data: TrainingData,
    processes: ProcessGroup,
    reporter: ProgressReporter,
) -> bool:
    """Whether LARGE_RECIPE should take the place of the default `recipe`; says so. All processes must call it."""
    if not isinstance(recipe, ModelRecipe) or any(change.strip().startswith(OWN_CHOICES) for change in changes):
        return False
    allocator.limit_kernels()  # before the rate of products is measured
    # The mean, since each process measures another rate, and all must take the same recipe.
    measured = torch.tensor(full_softmax_seconds(recipe, data), dtype=torch.float64, device=processes.device)
    seconds = float(processes.mean(measured))
    if seconds <= LONG:
        return False
    if processes.first:
        reporter.say(
            f"train: the full softmax over {data.catalog.num_items:,} items would take about {duration(seconds)} of "
            f"each epoch here, so the recipe is {LARGE_RECIPE}. To train with it all the same: --recipe {recipe.name}."
        )
    return True
