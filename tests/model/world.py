"""The catalogue of hiersrec.testing, and variants of models of it."""

import dataclasses
from collections.abc import Callable

import torch

from hiersrec.config import Component, ModelRecipe, TaskTable
from hiersrec.model.encoders import mean
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.testing.catalogue import TINY, N, batch, catalog, lists, model, recipe, tensors

__all__ = [
    "TINY",
    "VARIANTS",
    "N",
    "batch",
    "catalog",
    "lists",
    "mean_encoder",
    "model",
    "recipe",
    "single_task",
    "tensors",
    "tree",
    "with_tasks",
]

# Models of this size gain nothing from threads, and the order of a sum must not depend on the machine.
torch.set_num_threads(1)


def with_tasks(base: ModelRecipe, change: Callable[[TaskTable], TaskTable | None]) -> ModelRecipe:
    """The recipe with each [[tasks]] table changed, or left out."""
    return dataclasses.replace(base, tasks=tuple(one for table in base.tasks if (one := change(table)) is not None))


def single_task() -> ModelRecipe:
    """Only the item task, which reads nothing."""
    return with_tasks(recipe(), lambda one: dataclasses.replace(one, reads=()) if one.name == "item" else None)


def mean_encoder(*overrides: str) -> ModelRecipe:
    """The default recipe with the encoder that mixes nothing, so that twins stay short."""
    return dataclasses.replace(recipe(*overrides), encoder=Component(name="mean", config=mean.Config(max_length=10)))


def tree(name: str) -> ModelRecipe:
    """The tasks of a recipe and what each reads; everything else is as in the toy recipe."""
    base, graph = recipe(), read_recipe(find_recipe(name, "any"))
    assert isinstance(graph, ModelRecipe)
    configs = {table.name: table.config for table in base.tasks}
    tasks = (dataclasses.replace(table, config=configs.get(table.name, table.config)) for table in graph.tasks)
    return dataclasses.replace(base, tasks=tuple(tasks))


PAPER = ["encoder.positions=forward", "encoder.norm=post", "tasks.item.head=linear", "tasks.item.reads_as=logits"]
VARIANTS: dict[str, Callable[[], ModelRecipe]] = {
    "default": recipe,
    "paper": lambda: recipe(*PAPER),
    "linear head on probs": lambda: recipe("tasks.item.head=linear", "tasks.item.injection_weight=-0.5"),
    "cosine head on logits": lambda: recipe("tasks.item.reads_as=logits", "tasks.item.injection_weight=2.5"),
    "learnt weights": lambda: recipe(
        "tasks.category.weight=trainable", "tasks.item.weight=trainable", "tasks.item.injection_weight=trainable"
    ),
    "single-task": single_task,
    "multi-task": lambda: recipe("tasks.item.reads=[]"),
    "mean": mean_encoder,
    "sampled": lambda: recipe("tasks.item.softmax=sampled", "tasks.item.negatives=4000"),  # all items are among them
    "repeats": lambda: recipe("tasks.item.repeats=true"),
    "trend": lambda: recipe("tasks.item.trend=0.5"),
    "cosine of categories": lambda: recipe("tasks.category.head=cosine"),
    "tree": lambda: tree("action_category_item"),
    "columns": lambda: tree("columns"),
}
