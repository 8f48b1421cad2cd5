"""Recipes made tiny and trained on the toy shop: what a recipe promises, and what those tests train."""

import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hiersrec.build import build_trainable
from hiersrec.config import BaselineRecipe, Recipe
from hiersrec.errors import UnknownName
from hiersrec.model.scorer import TrainedScorer, scorer_of
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.recipe_tables import recipe_path
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.testing.scorers import FittedScorer, check_scorer, counted
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter

WIDTHS = ("item_width=8", "category_width=6", "metadata_width=6")
TINY = ("layers=1", "heads=2", "max_length=6")
TINY_BASELINE = ("width=8", "max_length=6")
QUICK = [
    *("training.batch_size=256", "training.learning_rate=1e-2", "training.epochs=2", "training.precision=float32"),
    *("training.newest_share=1.0", "training.patience=3"),
]


def check_recipe(name: str) -> None:
    """Raise AssertionError if the recipe "dataset/name" breaks a promise: it says what it is, can be written and read
    again, and at a tiny size it trains and keeps the contract of scorers.
    """
    path = recipe_path(name)
    if path is None:
        raise UnknownName(f"There is no recipe '{name}'. `hiersrec list recipes` names them, as DATASET/NAME.")
    recipe = read_recipe(path)
    assert recipe.name == path.stem, f"the recipe {path} calls itself {recipe.name}"
    assert recipe.description.endswith("."), f"{path} needs a description, a sentence"
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.toml"
        again.write_text(write_recipe(recipe), encoding="utf-8")
        assert read_recipe(again) == recipe, "written with every setting and read again it is another"
    small = tiny(path)
    check_scorer(counted(small.baseline.name) if small.training is None else trained(name, small))


def tiny(path: Path) -> Recipe:
    """A recipe at a tiny size; what it leaves out of the input (width 0) stays out, what it has not stays away."""
    recipe = read_recipe(path)
    if isinstance(recipe, BaselineRecipe):
        sizes = _of(recipe.baseline.config, "baseline", TINY_BASELINE)
        return read_recipe(path, [*sizes, *QUICK]) if recipe.training else recipe
    widths = [f"inputs.{width}" for width in WIDTHS if getattr(recipe.inputs, width.split("=")[0])]
    sizes = _of(recipe.encoder.config, "encoder", TINY)
    # Of 8192 negatives the toy shop's items would all be among them, as in the full softmax.
    return read_recipe(path, [*widths, *sizes, *QUICK, "tasks.item.negatives=32"])


def _of(config: Any, table: str, sizes: tuple[str, ...]) -> list[str]:
    """The settings that a Config has."""
    return [f"{table}.{size}" for size in sizes if hasattr(config, size.split("=")[0])]


def untrained(recipe: Recipe, data: TrainingData) -> Trainable:
    """The model as the recipe's seed makes it."""
    assert recipe.training is not None
    with torch.random.fork_rng():
        torch.manual_seed(recipe.training.seed)
        return build_trainable(recipe, data.catalog, data.train)


def trained(name: str, recipe: Recipe) -> FittedScorer:
    """A recipe with a training; `reload` passes through the file of weights."""
    training = recipe.training
    assert training is not None

    def fit(data: TrainingData) -> TrainedScorer:
        model = untrained(recipe, data)
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
            torch.manual_seed(training.seed)
            loop.fit(model, data, training, Path(folder), SilentReporter())
        return scorer_of(model)

    def reload(scorer: TrainedScorer, catalog: Catalog) -> TrainedScorer:
        other = build_trainable(recipe, catalog, None)
        with tempfile.TemporaryDirectory() as folder:
            safetensors.torch.save_model(scorer.model, str(Path(folder) / "weights"))
            safetensors.torch.load_model(other, str(Path(folder) / "weights"))
        return scorer_of(other)

    return FittedScorer(name, fit, reload)
