"""Recipe + catalogue -> the scorer it describes, ours or a baseline's; run folder -> the scorer that lies in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from torch import nn

from hiersrec import constraints, plugins, registry
from hiersrec.config import TRAINING_CONSTRAINTS, BaselineRecipe, ModelRecipe, Recipe, TaskTable
from hiersrec.errors import BadFolder, BadRecipe, did_you_mean
from hiersrec.model import inputs as inputs_module
from hiersrec.model import pooling
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.inputs import Inputs
from hiersrec.model.score_term import ScoreTerm
from hiersrec.model.scorer import TrainedScorer, scorer_of
from hiersrec.model.tasks import item as item_task
from hiersrec.model.tasks._tree import TreeHead
from hiersrec.model.trainable import Trainable
from hiersrec.model.wiring import Wiring
from hiersrec.recipe_file import RUN_RECIPE, members_of, read_recipe, settings_of
from hiersrec.store.catalog import Catalog
from hiersrec.store.contents import readable
from hiersrec.store.folder import open_seal
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Scorer

WEIGHTS = "model.safetensors"
RECIPE = RUN_RECIPE
METADATA = "metadata"
"""The kind of members that only new items need, and no run that is opened."""


def build_model(recipe: ModelRecipe, catalog: Catalog, train: Sessions | None = None) -> HierarchicalModel:
    """The untrained model of a recipe, its weights drawn from torch's current random state.

    train: the training sessions, from which the model keeps what it needs; None where weights hold that already.
    Raises BadRecipe if settings do not go together (constraints.py) or the catalogue lacks what they need.
    """
    if "item" not in [table.name for table in recipe.tasks]:
        raise BadRecipe('A model must predict items: add [[tasks]] with name = "item" as the last one.')
    constraints.check(constraints_of(recipe), facts(recipe, catalog))
    inputs = Inputs(inputs_module.config_of(recipe), catalog, train)
    encoder = registry.load("model.encoders", recipe.encoder.name).build(recipe.encoder.config, inputs.width)
    constraints.check(TRAINING_CONSTRAINTS, {**facts(recipe, catalog), "encoder.causal": encoder.causal})
    pooled = pooling.build(recipe.pooling, inputs.width)
    tasks: dict[str, nn.Module] = {}
    wiring: dict[str, Wiring] = {}
    for position, table in enumerate(recipe.tasks):
        module = registry.load("model.tasks", table.name)
        earlier = {task.name for task in recipe.tasks[:position]}
        for name, config in module.members(table.config, catalog).items():
            if name in tasks:
                raise BadRecipe(f"[[tasks]] {table.name}: the task '{name}' is there twice. Remove one of them.")
            if name != "item" and name not in catalog.labels:
                raise BadRecipe(
                    f"[[tasks]] {table.name} makes the task '{name}', for which the catalogue has no labels. "
                    f"{did_you_mean(name, catalog.labels)}"
                )
            # What is fitted after training can't be read in it.
            readable = [name for name, task in tasks.items() if not isinstance(task, TreeHead)]
            reads = _sources(table, readable, earlier)  # with "category_*" a level reads the coarser ones
            tasks[name] = module.build(config, catalog, inputs.width, inputs)
            wiring[name] = Wiring(table.weight, reads, table.injection_weight, table.reads_as)
    terms: dict[str, ScoreTerm] = {}
    for name, config in item_task.config_of(recipe).score_terms.items():
        term = registry.load(item_task.SCORE_TERMS, name).build(
            config, catalog, inputs.width, encoder.max_length, train
        )
        if term is not None:
            if (label := registry.short(name)) in terms:
                raise BadRecipe(
                    f"[[tasks]] item: there are two score terms '{label}'. Rename the module of one of them."
                )
            terms[label] = term
    return HierarchicalModel(inputs, encoder, pooled, tasks, wiring, terms)


def task_names(recipe: ModelRecipe, catalog: Catalog) -> list[str]:
    """Names of the tasks that the tables of a recipe make of a catalogue."""
    modules = [(registry.load("model.tasks", table.name), table.config) for table in recipe.tasks]
    return [name for module, config in modules for name in module.members(config, catalog)]


def constraints_of(recipe: ModelRecipe) -> list[constraints.Constraint]:
    """Of the inputs, and of every member of a registry that the recipe names."""
    members = dict.fromkeys(members_of(recipe))
    modules = [inputs_module, *(registry.load(folder, name) for folder, name in members)]
    return [constraint for module in modules for constraint in getattr(module, "CONSTRAINTS", ())]


def facts(recipe: ModelRecipe, catalog: Catalog) -> dict[str, Any]:
    """The settings of a recipe by place, and what follows from them and the catalogue."""
    names = [table.name for table in recipe.tasks]
    later = recipe.tasks[names.index("item") + 1 :] if "item" in names else ()
    reading = [table.name for table in later if any(fnmatchcase("item", pattern) for pattern in table.reads)]
    return {
        **settings_of(recipe),
        "inputs.content_width": inputs_module.config_of(recipe).content_width(catalog),
        "the tasks that read the item task": reading,
    }


def build_trainable(recipe: Recipe, catalog: Catalog, train: Sessions | None) -> Trainable:
    """The untrained model of a recipe with [training], ours or a baseline's.

    train: the sessions from which a baseline takes more than examples; None where weights are loaded, which hold it.
    """
    if isinstance(recipe, ModelRecipe):
        return build_model(recipe, catalog, train)
    chosen = recipe.baseline
    constraints.check(TRAINING_CONSTRAINTS, settings_of(recipe))
    model: Trainable = registry.load("baselines", chosen.name).build(chosen.config, catalog, train)
    return model


def _sources(table: TaskTable, earlier: list[str], tables: set[str]) -> tuple[str, ...]:
    """Names of the earlier tasks that a table's `reads` stands for.

    A pattern may match none (no categories at all), and so may an earlier table that the dataset has no task for.
    """
    sources: list[str] = []
    for pattern in table.reads:
        matched = [name for name in earlier if fnmatchcase(name, pattern)]
        if not matched and "*" not in pattern and pattern not in tables:
            raise BadRecipe(
                f"[[tasks]] {table.name} reads '{pattern}', which is no earlier task. {did_you_mean(pattern, earlier)}"
            )
        sources += [name for name in matched if name not in sources]
    return tuple(sources)


@dataclass(frozen=True)
class LoadedRun:
    """A run folder, opened: `document` is its run.json."""

    folder: Path
    document: dict[str, Any]
    recipe: Recipe
    catalog: Catalog
    scorer: Scorer


def open_run(folder: Path) -> LoadedRun:
    """Open a finished run folder after checking every checksum. Raises BadFolder, and BadPlugin.

    Members of other distributions are imported, but nothing that lies in the folder.
    """
    document = open_seal(folder, "run", checksums=True)
    with readable(folder, "run"):
        catalog = Catalog.open(folder / "catalog")
    with plugins.no_code_from(folder):
        registry.check_recorded(
            (plugin for plugin in document.get("plugins", ()) if plugin["kind"] != METADATA), folder
        )
        recipe = read_recipe(folder / RECIPE)
        return LoadedRun(folder, document, recipe, catalog, _scorer(recipe, catalog, folder / WEIGHTS))


def _scorer(recipe: Recipe, catalog: Catalog, weights: Path) -> Scorer:
    if isinstance(recipe, BaselineRecipe) and recipe.training is None:
        module = registry.load("baselines", recipe.baseline.name)
        with readable(weights.parent, "run"):
            state = safetensors.numpy.load_file(weights)
        scorer: Scorer = module.load(recipe.baseline.config, catalog, state)
        return scorer
    model = build_trainable(recipe, catalog, None)
    try:
        safetensors.torch.load_model(model, weights)
    except (RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[-1].strip()  # one line of torch's, which has one for each tensor
        raise BadFolder(f"{weights} does not fit its recipe: {reason} Train again.") from error
    return scorer_of(model.eval())


def weights_of(run: LoadedRun) -> dict[str, Float32]:
    """What its file of weights holds, by name of the tensor."""
    assert isinstance(run.scorer, TrainedScorer), "baselines that count have no tensors"
    return {name: tensor.numpy() for name, tensor in run.scorer.model.state_dict().items()}


def grown(weights: Mapping[str, Float32], recipe: Recipe, catalog: Catalog) -> dict[str, Float32]:
    """Weights for a larger catalogue: zeros in the rows of items and categories that are new."""
    larger = dict(weights)
    for name, tensor in build_trainable(recipe, catalog, None).state_dict().items():
        if tensor.ndim and len(tensor) > len(weights[name]):
            larger[name] = np.zeros(tensor.shape, weights[name].dtype)
            larger[name][: len(weights[name])] = weights[name]
    return larger
