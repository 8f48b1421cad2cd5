"""Which recipes the contract tests train, and which names stand for the same tiny recipe."""

from tests.contracts.models import distinct_recipes, first_names, trained_recipes
from tests.contracts.scorers import members

SHARED = {
    "diginetica/cotrec": "any/cotrec",
    "diginetica/csrm": "any/csrm",
    "diginetica/gru4rec": "any/gru4rec",
    "diginetica/hiersrec": "any/hiersrec",
    "diginetica/m2trec": "any/m2trec",
    "diginetica/multi_task": "any/multi_task",
    "diginetica/narm": "any/narm",
    "diginetica/sasrec": "any/sasrec",
    "diginetica/single_task": "any/single_task",
    "diginetica/stamp": "any/stamp",
    "diginetica/tagnn": "any/tagnn",
    "wikispeedia/single_task": "any/single_task",
}
"""Recipes that differ from another in sizes and the length of the training only -> the one that is trained for both."""


def test_recipes_that_share_a_training() -> None:
    assert {name: first for name, first in first_names().items() if name != first} == SHARED


def test_every_other_recipe_is_trained_by_itself() -> None:
    assert set(distinct_recipes()) == set(trained_recipes()) - set(SHARED)
    assert set(distinct_recipes()) <= set(members())
