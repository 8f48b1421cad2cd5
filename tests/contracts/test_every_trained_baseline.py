"""Every baseline that is trained by gradient keeps the contract of hiersrec.testing."""

import pytest

from hiersrec.config import BaselineRecipe
from hiersrec.recipe_file import RECIPES, read_recipe
from hiersrec.testing.baselines import CHECKS, threads_change_no_gradient
from tests.contracts.models import distinct_recipes

pytestmark = pytest.mark.slow

BASELINES = {name: recipe for name, recipe in distinct_recipes().items() if isinstance(recipe, BaselineRecipe)}


def test_the_walk_finds_them() -> None:
    assert {"any/csrm", "any/tagnn", "any/cotrec"} <= set(BASELINES)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(BASELINES[name])


@pytest.mark.parametrize("name", BASELINES)
def test_gradients_are_the_same_on_two_threads_however_often(name) -> None:
    threads_change_no_gradient(read_recipe(RECIPES / f"{name}.toml"))
