"""Recipe + catalogue -> the scorer it describes, ours or a rival's; run folder -> the scorer that lies in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor, nn

from hiersrec import registry
from hiersrec.config import BaselineRecipe, ModelRecipe, Recipe, TaskTable
from hiersrec.errors import BadFolder, BadRecipe, did_you_mean
from hiersrec.model import pooling
from hiersrec.model.hierarchical import HierarchicalModel, Wiring
from hiersrec.model.inputs import Inputs
from hiersrec.model.repeats import Repeats
from hiersrec.model.scorer import scorer_of
from hiersrec.model.trainable import Trainable
from hiersrec.model.trend import trend
from hiersrec.recipe_file import read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.folder import open_seal
from hiersrec.store.sessions import Sessions
from hiersrec.types import Scorer

WEIGHTS = "model.safetensors"
RECIPE = "recipe.toml"


def build_model(recipe: ModelRecipe, catalog: Catalog, train: Sessions | None = None) -> HierarchicalModel:
    """The untrained model of a recipe, its weights drawn from torch's current random state.

    train: the training sessions, of which an item's neighbours and its trend are constants of the model; None where
    weights are loaded, which hold them.
    """
    inputs = Inputs(recipe.inputs, catalog, train)
    encoder = registry.load("model.encoders", recipe.encoder.name).build(recipe.encoder.config, inputs.width)
    pooled = pooling.build(recipe.pooling, inputs.width)
    tasks: dict[str, nn.Module] = {}
    wiring: dict[str, Wiring] = {}
    for at, table in enumerate(recipe.tasks):
        module = registry.load("model.tasks", table.name)
        above = {one.name for one in recipe.tasks[:at]}
        for name, config in module.members(table.config, catalog).items():
            if name in tasks:
                raise BadRecipe(f"[[tasks]] {table.name}: the task '{name}' is there twice. Remove one of them.")
            reads = _sources(table, list(tasks), above)  # with "category_*" a level reads the coarser ones
            tasks[name] = module.build(config, catalog, inputs.width, inputs)
            wiring[name] = Wiring(table.weight, reads, table.injection_weight, table.reads_as)
    if "item" not in tasks:
        raise BadRecipe('A model must predict items: add [[tasks]] with name = "item" as the last one.')
    [item] = [table.config for table in recipe.tasks if table.name == "item"]
    repeats = Repeats(inputs.width, encoder.max_length) if item.repeats else None
    model = HierarchicalModel(inputs, encoder, pooled, tasks, wiring, repeats, _trend(item.trend, catalog, train))
    if model.sparse_parameters():
        _refuse_beside_sparse_tables(recipe, wiring)
    return model


def _trend(weight: float, catalog: Catalog, train: Sessions | None) -> Tensor | None:
    """What trends add to the scores, (N,) float32: zeros for weights to be loaded into, where there is no `train`."""
    if not weight:
        return None
    if train is None:
        return torch.zeros(catalog.num_items)
    return torch.from_numpy(trend(catalog.num_items, train)) * weight


def _refuse_beside_sparse_tables(recipe: ModelRecipe, wiring: Mapping[str, Wiring]) -> None:
    """Raise BadRecipe for what would read all items at each step, where the item task's softmax reads some alone."""
    [softmax] = [table.config.softmax for table in recipe.tasks if table.name == "item"]
    if recipe.inputs.neighbours:
        raise BadRecipe(
            f'[inputs] neighbours must be 0 with [[tasks]] item softmax = "{softmax}", whose steps leave most rows of '
            f'the item table alone, got {recipe.inputs.neighbours}. Set it to 0, or use softmax = "full".'
        )
    if readers := [name for name, wires in wiring.items() if "item" in wires.reads]:
        raise BadRecipe(
            f"[[tasks]] {readers[0]} reads 'item', the scores of all items, which item's softmax = \"{softmax}\" does "
            'not make in training. Use softmax = "full", or leave item out of reads.'
        )
    if recipe.training.weight_decay:
        raise BadRecipe(
            f'[training] weight_decay must be 0 with [[tasks]] item softmax = "{softmax}", whose steps leave most rows '
            f'of the item table alone, got {recipe.training.weight_decay}. Set it to 0, or use softmax = "full".'
        )


def build_trainable(recipe: Recipe, catalog: Catalog, train: Sessions | None) -> Trainable:
    """The untrained model of a recipe with [training], ours or a rival's.

    train: the sessions from which a rival takes more than examples; None where weights are loaded, which hold it.
    """
    every = recipe.training is not None and recipe.training.positions == "all"
    if isinstance(recipe, ModelRecipe):
        ours = build_model(recipe, catalog, train)
        if every and not ours.encoder.causal:
            raise BadRecipe(
                f'[training] positions = "all" needs an encoder whose states know nothing of later items, got '
                f'{recipe.encoder.name}. Set encoder.causal = true and encoder.positions = "forward" for a '
                'transformer, or choose gru, or leave positions at "last".'
            )
        return ours
    chosen = recipe.baseline
    if every:
        raise BadRecipe(
            f'[training] positions = "all" is for recipes of our own model, got the rival {chosen.name}. Leave it out.'
        )
    model: Trainable = registry.load("baselines", chosen.name).build(chosen.config, catalog, train)
    return model


def _sources(table: TaskTable, earlier: list[str], tables: set[str]) -> tuple[str, ...]:
    """Names of the earlier tasks that a table's `reads` stands for.

    A pattern may match none (no categories at all), and so may an earlier table that the dataset has no task for.
    """
    found: list[str] = []
    for pattern in table.reads:
        matched = [name for name in earlier if fnmatchcase(name, pattern)]
        if not matched and "*" not in pattern and pattern not in tables:
            raise BadRecipe(
                f"[[tasks]] {table.name} reads '{pattern}', which is no earlier task. {did_you_mean(pattern, earlier)}"
            )
        found += [name for name in matched if name not in found]
    return tuple(found)


@dataclass(frozen=True)
class Run:
    """A run folder, opened: `document` is its run.json."""

    folder: Path
    document: dict[str, Any]
    recipe: Recipe
    catalog: Catalog
    scorer: Scorer


def open_run(folder: Path) -> Run:
    """Open a finished run folder after checking every checksum. Raises BadFolder."""
    document = open_seal(folder, "run", checksums=True)
    catalog = Catalog.open(folder / "catalog")
    recipe = read_recipe(folder / RECIPE)
    return Run(folder, document, recipe, catalog, _scorer(recipe, catalog, folder / WEIGHTS))


def _scorer(recipe: Recipe, catalog: Catalog, weights: Path) -> Scorer:
    if isinstance(recipe, BaselineRecipe) and recipe.training is None:
        module = registry.load("baselines", recipe.baseline.name)
        scorer: Scorer = module.load(recipe.baseline.config, catalog, safetensors.numpy.load_file(weights))
        return scorer
    model = build_trainable(recipe, catalog, None)
    try:
        safetensors.torch.load_model(model, weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()  # one line of torch's, which has one for each tensor
        raise BadFolder(f"{weights} does not fit its recipe: {reason} Train the run anew.") from error
    return scorer_of(model.eval())
