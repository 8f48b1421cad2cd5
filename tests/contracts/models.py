"""Every model recipe of the package, trained for a moment, for the contract tests.

The recipes keep their shape (tasks, heads, wiring) and lose their size, so that a fit takes no time.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hiersrec.build import build_model
from hiersrec.config import RECIPES, ModelRecipe, read_recipe, recipe_names
from hiersrec.model.scorer import ModelScorer
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.training import loop
from hiersrec.training.watch import Silent

# Models of this size gain nothing from threads, and the order of a sum must not depend on the machine.
torch.set_num_threads(1)

TINY = [
    *("inputs.item_width=8", "inputs.category_width=6", "inputs.metadata_width=6"),
    *("encoder.layers=1", "encoder.heads=2", "encoder.max_length=6"),
    *("training.batch_size=256", "training.learning_rate=1e-2", "training.epochs=2", "training.precision=float32"),
]
Fit = Callable[[TrainingData], ModelScorer]
Reload = Callable[[Any, Catalog], ModelScorer]


def model_recipes() -> dict[str, ModelRecipe]:
    """Recipes of our model by "dataset/name", made tiny."""
    paths = {name: RECIPES / f"{name}.toml" for name in recipe_names()}
    found = {name: path for name, path in paths.items() if isinstance(read_recipe(path), ModelRecipe)}
    small = {name: read_recipe(path, TINY) for name, path in found.items()}
    return {name: one for name, one in small.items() if isinstance(one, ModelRecipe)}


def models() -> list[tuple[str, Fit, Reload]]:
    """(name, fit, reload) of every recipe; `reload` passes through the file of weights."""
    return [(name, _fit(recipe), _reload(recipe)) for name, recipe in model_recipes().items()]


def untrained(recipe: ModelRecipe, catalog: Catalog) -> ModelScorer:
    """The model as the recipe's seed makes it."""
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        return ModelScorer(build_model(recipe, catalog))


def _fit(recipe: ModelRecipe) -> Fit:
    def fit(data: TrainingData) -> ModelScorer:
        scorer = untrained(recipe, data.catalog)
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            torch.manual_seed(recipe.training.seed)
            loop.fit(scorer.model, data, recipe.training, Path(folder), Silent())
        return scorer

    return fit


def _reload(recipe: ModelRecipe) -> Reload:
    def reload(scorer: ModelScorer, catalog: Catalog) -> ModelScorer:
        other = build_model(recipe, catalog)
        with tempfile.TemporaryDirectory() as folder:
            safetensors.torch.save_model(scorer.model, str(Path(folder) / "weights"))
            safetensors.torch.load_model(other, str(Path(folder) / "weights"))
        return ModelScorer(other)

    return reload
