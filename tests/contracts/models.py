"""Every recipe with a training, ours and the baselines', trained for a moment, for the contract tests.

The recipes keep their shape (tasks, heads, wiring) and lose their size, so that a fit takes no time. Recipes that are
then the same are trained once, under the first of their names. Nothing is built or trained before a test asks for it.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hiersrec.build import build_trainable
from hiersrec.config import BaselineRecipe, Recipe
from hiersrec.model.scorer import TrainedScorer, scorer_of
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import RECIPES, read_recipe, recipe_names
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter

# Models of this size gain nothing from threads, and the order of a sum must not depend on the machine.
torch.set_num_threads(1)

WIDTHS = ("item_width=8", "category_width=6", "metadata_width=6")
TINY = ["encoder.layers=1", "encoder.heads=2", "encoder.max_length=6"]
TINY_BASELINE = ["baseline.width=8", "baseline.max_length=6"]
QUICK = [
    *("training.batch_size=256", "training.learning_rate=1e-2", "training.epochs=2", "training.precision=float32"),
    *("training.newest_share=1.0", "training.patience=3"),
]
Fit = Callable[[TrainingData], TrainedScorer]
Reload = Callable[[Any, Catalog], TrainedScorer]


def tiny(path: Path) -> Recipe:
    """A recipe at a tiny size; what it leaves out of the input (width 0) stays out, what it has not stays away."""
    found = read_recipe(path)
    if isinstance(found, BaselineRecipe):
        return read_recipe(path, [*TINY_BASELINE, *QUICK]) if found.training else found
    widths = [f"inputs.{one}" for one in WIDTHS if getattr(found.inputs, one.split("=")[0])]
    own = [one for one in TINY if hasattr(found.encoder.config, one.split(".")[1].split("=")[0])]
    # Of 8192 negatives the toy shop's items would all be among them, as in the full softmax.
    return read_recipe(path, [*widths, *own, *QUICK, "tasks.item.negatives=32"])


@cache
def trained_recipes() -> dict[str, Recipe]:
    """Recipes with a training by "dataset/name", made tiny."""
    small = {name: tiny(RECIPES / f"{name}.toml") for name in recipe_names()}
    return {name: recipe for name, recipe in small.items() if recipe.training is not None}


@cache
def first_names() -> dict[str, str]:
    """The name of each trained recipe -> the first name under which the same tiny recipe is trained."""
    first: dict[str, str] = {}
    return {
        name: first.setdefault(repr(dataclasses.replace(recipe, name="", description="")), name)
        for name, recipe in trained_recipes().items()
    }


def distinct_recipes() -> dict[str, Recipe]:
    """The trained recipes that differ, each under its first name."""
    return {name: trained_recipes()[name] for name, first in first_names().items() if name == first}


def models() -> list[tuple[str, Fit, Reload]]:
    """(name, fit, reload) of every recipe that differs; `reload` passes through the file of weights."""
    return [(name, _fit(recipe), _reload(recipe)) for name, recipe in distinct_recipes().items()]


def untrained(recipe: Recipe, data: TrainingData) -> Trainable:
    """The model as the recipe's seed makes it."""
    assert recipe.training is not None
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        return build_trainable(recipe, data.catalog, data.train)


def _fit(recipe: Recipe) -> Fit:
    def fit(data: TrainingData) -> TrainedScorer:
        assert recipe.training is not None
        model = untrained(recipe, data)
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            torch.manual_seed(recipe.training.seed)
            loop.fit(model, data, recipe.training, Path(folder), SilentReporter())
        return scorer_of(model)

    return fit


def _reload(recipe: Recipe) -> Reload:
    def reload(scorer: TrainedScorer, catalog: Catalog) -> TrainedScorer:
        other = build_trainable(recipe, catalog, None)
        with tempfile.TemporaryDirectory() as folder:
            safetensors.torch.save_model(scorer.model, str(Path(folder) / "weights"))
            safetensors.torch.load_model(other, str(Path(folder) / "weights"))
        return scorer_of(other)

    return reload
