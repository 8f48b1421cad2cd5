"""The recipe of a training for which none was named: the most accurate one, or `sampled` where that takes too long."""

from collections.abc import Sequence

import torch

from hiersrec.config import ModelRecipe, Recipe
from hiersrec.store.dataset import TrainingData
from hiersrec.training import allocator
from hiersrec.training.advice import full_softmax_seconds
from hiersrec.training.distributed import ProcessGroup, single_process
from hiersrec.training.progress import duration

LARGE_RECIPE = "sampled"
LONG = 3600.0
"""Seconds of an epoch from which the full softmax is too slow to be chosen for someone."""
OWN_CHOICES = ("tasks.item.", "training.teachers", "training.weight_decay")
"""Settings that the recipe for large catalogues depends on, or does without: who changes one has made a choice."""


def why_sampled(
    recipe: Recipe, changes: Sequence[str], data: TrainingData, processes: ProcessGroup | None = None
) -> str | None:
    """Why LARGE_RECIPE takes the place of the default `recipe`, a line for a person; None where it does not.

    Of several `processes` all must call it; they get the same answer.
    """
    if not isinstance(recipe, ModelRecipe) or any(change.strip().startswith(OWN_CHOICES) for change in changes):
        return None
    allocator.limit_kernels()  # before the rate of products is measured
    processes = processes or single_process()
    # The mean, since each process measures another rate, and all must take the same recipe.
    measured = torch.tensor(full_softmax_seconds(recipe, data), dtype=torch.float64, device=processes.device)
    seconds = float(processes.mean(measured))
    if seconds <= LONG:
        return None
    return (
        f"the full softmax over {data.catalog.num_items:,} items would take about {duration(seconds)} of each epoch "
        f"here, so the recipe is {LARGE_RECIPE}. To train with it all the same: --recipe {recipe.name}."
    )
