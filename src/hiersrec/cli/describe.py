"""`hiersrec describe DIR`: the statistics of a dataset folder, and the memory that training on it needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from hiersrec.cli import printing
from hiersrec.errors import DEFAULT_RECIPE, BadRecipe

if TYPE_CHECKING:
    from hiersrec.store.dataset import Dataset

PARTS = {
    "total": "total",
    "process": "Python and its libraries",
    "data": "training sessions and items",
    "weights": "weights, and the model's copy of the catalogue",
    "optimizer": "gradients and moments of Adam",
    "step": "largest training batch",
    "validation": "or a validation batch, if larger",
}


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    recipe: Annotated[str, typer.Option(help="The recipe whose memory is estimated, by name or as a .toml file.")] = (
        DEFAULT_RECIPE
    ),
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print dataset.json, and the memory in bytes.")] = False,
) -> None:
    """Show the statistics of a dataset folder, and estimate the memory for training."""
    from hiersrec.store.dataset import Dataset

    dataset = Dataset.open(folder)
    if not json:
        printing.show(statistics_table(dataset.document))  # first, as the recipe may be refused
    memory, lines = _memory(dataset, recipe, set_ or [])
    if json:
        printing.show_json({**dataset.document, "training_memory": {"recipe": recipe, **memory}})
        return
    rows = [(label, _size(memory[part])) for part, label in PARTS.items()]
    printing.show(printing.table(f"Estimated memory for training {recipe}", ["part", "about"], rows))
    for line in lines:
        printing.show(f"Note: {line}")


def statistics_table(document: dict[str, Any]) -> Table:
    """The statistics of a dataset.json (the paper's table 2), and the counts around each filter."""
    from hiersrec.preparation.statistics import table

    return printing.table(f"Dataset {document['name']}", ["statistic", "value"], table(document), right=False)


def _memory(dataset: "Dataset", recipe: str, overrides: list[str]) -> tuple[dict[str, int], list[str]]:
    """Bytes for each of PARTS, and advice on how to need fewer."""
    from hiersrec.config import ModelRecipe
    from hiersrec.recipe_file import find_recipe, read_recipe
    from hiersrec.training.advice import advice
    from hiersrec.training.memory_estimate import estimate_memory

    chosen = read_recipe(find_recipe(recipe, dataset.name), overrides)
    if not isinstance(chosen, ModelRecipe):
        raise BadRecipe(
            f"Memory is estimated only for recipes with [[tasks]]; '{recipe}' has [baseline] {chosen.baseline.name}. "
            "Name another recipe with --recipe."
        )
    data = dataset.training()
    estimate = estimate_memory(chosen, data)
    return estimate.document(), advice(chosen, data, estimate.total)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
