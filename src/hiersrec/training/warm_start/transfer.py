"""Warm start: a new model on newer data starts from the weights of a finished run.

Tensors are matched by name, and their rows by the item, category, word and so on that they stand for (remap.py). What
the run lacks keeps its fresh weights, what the dataset lacks is dropped. The optimizer starts fresh.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hiersrec.build import RECIPE, open_run
from hiersrec.config import ModelRecipe, Recipe
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import ModelScorer
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import open_seal
from hiersrec.training import state_file
from hiersrec.training.warm_start.checks import check_dataset, check_weights
from hiersrec.training.warm_start.remap import axis_maps, match_all, match_positions, remap
from hiersrec.types import CATEGORY, Int64

START = "start.safetensors"
"""In state/: the weights before the first step; its header has the entry `init_from` of run.json."""


def origin_recipe(run: Path) -> Path:
    """The recipe file of a finished run, which is the default recipe when starting from it. Raises BadFolder."""
    open_seal(run, "run")
    return run / RECIPE


def without_teachers(recipe: Path) -> list[str]:
    """The change of an origin's recipe that leaves its teachers out: they know the older items, and may be gone."""
    training = read_recipe(recipe).training
    return ["training.teachers=[]"] if training is not None and training.teachers else []


def check_same_origin(run: Path, out: Path, start: dict[str, Any] | None) -> None:
    """Raise BadFolder unless the training that is resumed in `out`, with origin `start`, started from `run`."""
    if start is None or Path(start["path"]) != run.resolve():
        begun = "with fresh weights" if start is None else f"from {start['path']}"
        raise BadFolder(f"{out} was begun {begun}, not from {run}. Resume without --init-from.")


def check_not_replaced(run: Path, out: Path, role: str) -> None:
    """Raise BadFolder if the new run in `out` would replace `run`, which the training reads in that role."""
    if run.resolve() == out.resolve():
        raise BadFolder(f"{out} is {role}, which the new one would replace. Choose another --out.")


def check_origin(run: Path) -> None:
    """Raise BadRecipe if `run` is a baseline's, whose tensors have other names; BadFolder if it is no finished run."""
    recipe = read_recipe(origin_recipe(run))
    if not isinstance(recipe, ModelRecipe):
        raise BadRecipe(
            f"--init-from takes the weights of a recipe with [[tasks]], but {run} holds '{recipe.name}', a baseline. "
            "Give another run, or train without --init-from."
        )


def transfer_weights(run: Path, model: Trainable, recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Copy what the run has learnt into the fresh `model` of `recipe` on `dataset`, in place.

    Returns the entry `init_from` of run.json: the origin, the counts of known, new and gone items and categories, and
    the tensors that the run lacks. Raises BadFolder if the run is damaged or its dataset had other columns, BadRecipe
    if its recipe gives weights of other shapes.
    """
    with torch.random.fork_rng([]):  # building a model draws weights, which must not shift the training's draws
        origin = open_run(run)
    assert isinstance(origin.scorer, ModelScorer), "check_origin excludes baselines"
    same_data = origin.document["dataset"]["fingerprint"] == dataset.fingerprint
    if same_data and _is_refit(origin.recipe) and not _is_refit(recipe):
        raise BadRecipe(
            f"{run} was trained on the validation sessions too (refit), so validation metrics would be too good. Start "
            "from another run, or set training.refit=true."
        )
    assert isinstance(model, HierarchicalModel), "fit.OWN_WEIGHTS excludes baselines"
    assert isinstance(recipe, ModelRecipe), "fit.OWN_WEIGHTS excludes baselines"
    check_dataset(origin, dataset, recipe)
    older = origin.scorer.model
    before, after = _parameters(older), _parameters(model)
    matches = match_all(origin, dataset)
    maps = axis_maps(origin, dataset, model, matches)
    for module_name, module in model.named_modules():
        for name in (f"{module_name}.{parameter}" for parameter in getattr(module, "position_rows", ())):
            if name in before:
                maps[name] = (0, match_positions(len(before[name]), len(after[name])))
    check_weights(origin, recipe, before, after, maps, older.wiring.keys() & model.wiring.keys())
    moved = {name: remap(before[name], after[name], maps.get(name)) for name in after if name in before}
    model.load_state_dict(moved, strict=False)
    return {
        "path": str(run.resolve()),
        "recipe": origin.recipe.name,
        "dataset": {name: origin.document["dataset"][name] for name in ("name", "fingerprint")},
        "items": _counts(matches["item"][1:], origin.catalog.num_items),
        "categories": _category_counts(matches, origin.catalog, dataset.catalog),
        "new_tensors": [name for name in after if name not in before],
    }


def _is_refit(recipe: Recipe) -> bool:
    return recipe.training is not None and recipe.training.refit


def _parameters(model: HierarchicalModel) -> dict[str, nn.Parameter]:
    """By name. Not the item graph, which is made from the new sessions, nor a tree head, which is fitted at the end."""
    later = set() if model.tree_head is None else set(model.tree_head.parameters())
    return {name: parameter for name, parameter in model.named_parameters() if parameter not in later}


def summary(origin: dict[str, Any]) -> str:
    """`init_from` of run.json in a line: "39,812 of 43,097 items known, 3,285 new, 120 gone; ..."."""
    parts = []
    for kind in ("items", "categories"):
        known, new, gone = (origin[kind][name] for name in ("known", "new", "gone"))
        if known + new + gone:
            parts.append(f"{known:,} of {known + new:,} {kind} known, {new:,} new, {gone:,} gone")
    if origin["new_tensors"]:
        parts.append(f"not in the run, so fresh: {', '.join(origin['new_tensors'])}")
    return "; ".join(parts)


def write_start(folder: Path, model: nn.Module, origin: dict[str, Any]) -> None:
    """Save the first weights, so that a training stopped before its first checkpoint can resume without the old run."""
    state_file.save(folder / START, state_file.unique_tensors(model), {"init_from": json.dumps(origin)})


def load_start(folder: Path, model: nn.Module) -> None:
    """Load the weights that `write_start` saved into `model`. Raises BadFolder if the file is damaged."""
    tensors, _ = state_file.load(folder / START)
    model.load_state_dict(tensors, strict=False)  # a shared table is stored once


def read_start(folder: Path) -> dict[str, Any] | None:
    """The origin that `write_start` saved; None for a training that started with fresh weights.

    Raises BadFolder if the file is damaged.
    """
    path = folder / START
    if not path.is_file():
        return None
    _, texts = state_file.load(path)
    try:
        origin: dict[str, Any] = json.loads(texts["init_from"])
    except (KeyError, ValueError) as error:
        raise state_file.damaged(path, f"{error!r}") from error
    return origin


def _counts(older: Int64, size: int) -> dict[str, int]:
    """Of rows with their older numbers, in a run that has `size` of them."""
    known = older[older > 0]
    return {"known": len(known), "new": len(older) - len(known), "gone": size - len(np.unique(known))}


def _category_counts(matches: dict[str, Int64], older: Catalog, newer: Catalog) -> dict[str, int]:
    """Of the known nodes of all levels together."""
    total = {"known": 0, "new": 0, "gone": 0}
    for level in range(max(len(older.levels), len(newer.levels))):
        size = older.levels[level].num_known if level < len(older.levels) else 0
        count = newer.levels[level].num_known if level < len(newer.levels) else 0
        numbers = matches.get(f"{CATEGORY}{level + 1}", np.full(count + 1, -1, np.int64))[1 : count + 1]
        total = {name: total[name] + value for name, value in _counts(numbers, size).items()}
    return total
