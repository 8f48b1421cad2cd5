"""Warm start: a new model begins with the weights of a finished run, on newer data.

Tensors are known by their names. What they hold of items, categories, words and the like goes by what those are
(remap.py); what the run has not keeps its fresh weights, what the dataset has no more is dropped. The optimizer begins
anew.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
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
from hiersrec.store.folder import new_file, open_seal
from hiersrec.training.warm_start.checks import check_dataset, check_weights
from hiersrec.training.warm_start.remap import carried, positions, same_things, ways
from hiersrec.types import CATEGORY, Int64

START = "start.safetensors"
"""In state/: the weights before the first step; its header has the entry `init_from` of run.json."""


def origin_recipe(run: Path) -> Path:
    """Where the recipe of a finished run lies, which a training goes by that begins with it. Raises BadFolder."""
    open_seal(run, "run")
    return run / RECIPE


def check_same_origin(run: Path, out: Path, start: dict[str, Any] | None) -> None:
    """Raise BadFolder if the training that was begun in `out` with the facts `start` did not begin with `run`."""
    if start is None or Path(start["path"]) != run.resolve():
        begun = "with fresh weights" if start is None else f"from {start['path']}"
        raise BadFolder(f"{out} was begun {begun}, not from {run}. Resume without --init-from.")


def check_not_replaced(run: Path, out: Path, part: str) -> None:
    """Raise BadFolder if the new run would take the place of `run`, which has a part in it, in words."""
    if run.resolve() == out.resolve():
        raise BadFolder(f"{out} is {part}, and would be gone if the new one fails. Choose another --out.")


def check_origin(run: Path) -> None:
    """Raise BadRecipe if `run` is a baseline's, whose tensors have other names; BadFolder if it is no finished run."""
    recipe = read_recipe(origin_recipe(run))
    if not isinstance(recipe, ModelRecipe):
        raise BadRecipe(
            f"--init-from takes the weights of a recipe with [[tasks]], but {run} holds '{recipe.name}', a baseline. "
            "Give another run, or train without --init-from."
        )


def transfer_weights(run: Path, model: Trainable, recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """Lay what the run has learnt over the fresh `model` of `recipe` on `dataset`, in place.

    Returns the entry `init_from` of run.json: the origin, how many items and known categories are carried over, new and
    gone, and the tensors that are wholly new. Raises BadFolder if the run is damaged or its dataset had other columns,
    BadRecipe if its recipe gives weights of other shapes.
    """
    with torch.random.fork_rng([]):  # opening builds a model, whose draws must not move those of the training
        origin = open_run(run)
    assert isinstance(origin.scorer, ModelScorer), "fit.CONSTRAINTS and check_origin() exclude baselines"
    assert isinstance(model, HierarchicalModel), "fit.CONSTRAINTS and check_origin() exclude baselines"
    assert isinstance(recipe, ModelRecipe), "fit.CONSTRAINTS and check_origin() exclude baselines"
    check_dataset(origin, dataset, recipe)
    older = origin.scorer.model
    # Parameters alone: an item graph is that of the new sessions.
    before, after = dict(older.named_parameters()), dict(model.named_parameters())
    same = same_things(origin, dataset)
    way = ways(origin, dataset, model, same)
    for module_name, module in model.named_modules():
        for name in (f"{module_name}.{parameter}" for parameter in getattr(module, "position_rows", ())):
            if name in before:
                way[name] = (0, positions(len(before[name]), len(after[name])))
    check_weights(origin, recipe, before, after, way, older.wiring.keys() & model.wiring.keys())
    moved = {name: carried(before[name], after[name], way.get(name)) for name in after if name in before}
    model.load_state_dict(moved, strict=False)
    return {
        "path": str(run.resolve()),
        "recipe": origin.recipe.name,
        "dataset": {name: origin.document["dataset"][name] for name in ("name", "fingerprint")},
        "items": _counts(same["item"][1:], origin.catalog.num_items),
        "categories": _categories(same, origin.catalog, dataset.catalog),
        "new_tensors": [name for name in after if name not in before],
    }


def summary(facts: dict[str, Any]) -> str:
    """`init_from` of run.json in a line: "39,812 of 43,097 items known, 3,285 new, 120 gone; ..."."""
    parts = []
    for things in ("items", "categories"):
        known, new, gone = (facts[things][name] for name in ("known", "new", "gone"))
        if known + new + gone:
            parts.append(f"{known:,} of {known + new:,} {things} known, {new:,} new, {gone:,} gone")
    if facts["new_tensors"]:
        parts.append(f"not in the run, so fresh: {', '.join(facts['new_tensors'])}")
    return "; ".join(parts)


def write_start(folder: Path, model: nn.Module, facts: dict[str, Any]) -> None:
    """Write the start: a training that is stopped before its first moment has no more need of the older run."""
    folder.mkdir(parents=True, exist_ok=True)
    with new_file(folder / START) as aside:
        safetensors.torch.save_model(model, str(aside), {"init_from": json.dumps(facts)})


def load_start(folder: Path, model: nn.Module) -> None:
    """Put the weights that `write_start` wrote into `model`."""
    safetensors.torch.load_model(model, folder / START)


def read_start(folder: Path) -> dict[str, Any] | None:
    """The facts that `write_start` wrote, or None where a training began fresh."""
    if not (folder / START).is_file():
        return None
    with safetensors.safe_open(folder / START, "pt") as start:
        facts: dict[str, Any] = json.loads(start.metadata()["init_from"])
    return facts


def _counts(sources: Int64, size: int) -> dict[str, int]:
    """Of things with their older numbers, where the run has `size` of them."""
    known = sources[sources > 0]
    return {"known": len(known), "new": len(sources) - len(known), "gone": size - len(np.unique(known))}


def _categories(same: dict[str, Int64], older: Catalog, newer: Catalog) -> dict[str, int]:
    """Known nodes of all levels together."""
    total = {"known": 0, "new": 0, "gone": 0}
    for at in range(max(len(older.levels), len(newer.levels))):
        size = older.levels[at].num_known if at < len(older.levels) else 0
        count = newer.levels[at].num_known if at < len(newer.levels) else 0
        sources = same.get(f"{CATEGORY}{at + 1}", np.full(count + 1, -1, np.int64))[1 : count + 1]
        total = {name: total[name] + value for name, value in _counts(sources, size).items()}
    return total
