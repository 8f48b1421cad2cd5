"""Every recipe with a training, ours and the baselines', trained for a moment, for the contract tests.

The recipes keep their shape (tasks, heads, wiring) and lose their size, so that a fit takes no time. Recipes that are
then the same are trained once, under the first of their names. Nothing is built or trained before a test asks for it.
"""

import dataclasses
from functools import cache

import torch

from hiersrec.config import Recipe
from hiersrec.recipe_file import RECIPES, recipe_names
from hiersrec.testing.recipes import tiny, trained
from hiersrec.testing.scorers import FittedScorer

# Models of this size gain nothing from threads, and the order of a sum must not depend on the machine.
torch.set_num_threads(1)


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


def models() -> list[FittedScorer]:
    """Every recipe that differs."""
    return [trained(name, recipe) for name, recipe in distinct_recipes().items()]
