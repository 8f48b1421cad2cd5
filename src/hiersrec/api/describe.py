"""`describe(dataset, recipe)`: the statistics of a dataset, and the memory that a training on it needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec.api.folders import dataset_of
from hiersrec.api.recipes import Overrides, as_texts
from hiersrec.api.recipes import recipe as recipe_of
from hiersrec.api.result import Result
from hiersrec.errors import DEFAULT_RECIPE, BadRecipe, named_extras
from hiersrec.store import statistics
from hiersrec.store.dataset import Dataset
from hiersrec.writing.tables import Table

PARTS = {
    "total": "total",
    "process": "Python and its libraries",
    "data": "training sessions and items",
    "weights": "weights, and the model's copy of the catalogue",
    "optimizer": "gradients and moments of Adam",
    "step": "largest training batch",
    "validation": "or a validation batch, if larger",
    "tree": "what the tree of categories learns from, after the last batch",
}


class Description(Result):
    """dataset.json with `training_memory`, and advice on how to need less of it."""

    def __init__(self, document: dict[str, Any], advice: list[str]) -> None:
        super().__init__(document)
        self.advice = advice

    def parts(self) -> Iterator[str | Table]:
        yield statistics_table(self.document)
        memory = self.document["training_memory"]
        rows = tuple((label, _size(memory[part])) for part, label in PARTS.items())
        yield Table(f"Estimated memory for training {memory['recipe']}", ("part", "about"), rows)
        yield from (f"Note: {line}" for line in self.advice)

    def columns(self) -> dict[str, list[Any]]:
        """The statistics: name and value, as text."""
        names, values = zip(*statistics.table(self.document), strict=True)
        return {"statistic": list(names), "value": list(values)}


def describe(dataset: Dataset | str | Path, recipe: str | Path | None = None, overrides: Overrides = ()) -> Description:
    """The statistics of a dataset, and an estimate of the memory for training a recipe on it.

    If none is named, it is the recipe that `train` takes then. Raises BadRecipe for a recipe that only counts, and for
    settings that are wrong.
    """
    with named_extras():
        from hiersrec.config import ModelRecipe
        from hiersrec.training import default_recipe
        from hiersrec.training.advice import advice
        from hiersrec.training.memory_estimate import estimate_memory

    opened = dataset_of(dataset)
    name, notes = DEFAULT_RECIPE if recipe is None else recipe, []
    chosen = recipe_of(name, overrides, dataset=opened.name)
    data = opened.training()
    if recipe is None and (why := default_recipe.why_sampled(chosen, as_texts(overrides), data)):
        name, notes = default_recipe.LARGE_RECIPE, [why]
        chosen = recipe_of(name, overrides, dataset=opened.name)
    if not isinstance(chosen, ModelRecipe):
        raise BadRecipe(
            f"Memory is estimated only for recipes with [[tasks]]; '{name}' has [baseline] {chosen.baseline.name}. "
            "Name another recipe with --recipe."
        )
    estimate = estimate_memory(chosen, data)
    document = {**opened.document, "training_memory": {"recipe": str(name), **estimate.document()}}
    return Description(document, [*notes, *advice(chosen, data, estimate.total)])


def statistics_table(document: dict[str, Any]) -> Table:
    """The statistics of a dataset.json (the paper's table 2), and the counts around each filter."""
    return Table(f"Dataset {document['name']}", ("statistic", "value"), tuple(statistics.table(document)))


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
