"""Dataset folder + recipe -> run folder, resumable. The run folder is enough for inference.

run.json            the seal: versions, dataset, best epoch, checksums; written last, so an unfinished run has none
model.safetensors   weights of the best epoch       recipe.toml   the recipe with every setting spelled out
catalog/            items, categories, features     history.jsonl one line an epoch
MODEL_CARD.md       for people                      state/        what --resume needs, while training
"""

import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.numpy
import safetensors.torch
import torch

from hiersrec import registry
from hiersrec.build import RECIPE, WEIGHTS, build_trainable
from hiersrec.config import BaselineRecipe, ModelRecipe, Recipe, read_recipe, write_recipe
from hiersrec.errors import BadFolder
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.trainable import Trainable
from hiersrec.store.catalog import copy_catalog
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import SEALS, new_file, seal, sha256, write_text
from hiersrec.training import checkpoint, loop
from hiersrec.training.card import model_card
from hiersrec.training.watch import Watch

STATE = "state"


def train(
    dataset: Dataset, recipe: Recipe, out: Path, watch: Watch, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Fit the recipe on the dataset's training sessions and write the run folder; returns its run.json.

    `resume` goes on with a training that was interrupted in `out`, with the same recipe. Raises BadFolder if `out`
    holds something else, or something finished, or something interrupted and `resume` is not set.
    """
    text = write_recipe(recipe)
    _check_out(dataset, out, text, resume, overwrite)
    if recipe.training is not None:
        data = dataset.training()
        with torch.random.fork_rng():
            torch.manual_seed(recipe.training.seed)
            # Before anything is written: a bad recipe ends here.
            model = build_trainable(recipe, data.catalog, data.train.newest(recipe.training.newest_share))
            for name in _without_tasks(recipe, model):
                watch.say(f"train: the dataset has nothing for the task '{name}', which takes no part")
            _begin(dataset, text, out, overwrite)
            progress = loop.fit(model, data, recipe.training, out / STATE, watch)
            parameters = sum(one.numel() for one in model.parameters())
        with new_file(out / WEIGHTS) as aside:
            shutil.copyfile(out / STATE / checkpoint.BEST, aside)
        history, best = progress.history, {"epoch": progress.best_epoch, "valid_mrr@20": progress.best}
    else:
        assert isinstance(recipe, BaselineRecipe), "our own recipes have [training]"
        state = _fit_baseline(dataset, recipe, watch)
        _begin(dataset, text, out, overwrite)
        with new_file(out / WEIGHTS) as aside:
            safetensors.numpy.save_file(state, aside)
        parameters, history, best = sum(one.size for one in state.values()), [], {}
    write_text(out / "history.jsonl", "".join(json.dumps(one) + "\n" for one in history))
    document = _seal(dataset, recipe.name, out, {"parameters": parameters, "best": best})
    write_text(out / "MODEL_CARD.md", model_card(document, recipe.description, history))
    shutil.rmtree(out / STATE, ignore_errors=True)
    watch.say(f"train: wrote {out}")
    return document


def _without_tasks(recipe: Recipe, model: Trainable) -> list[str]:
    """Names of the tables [[tasks]] for which the model has no task."""
    if not (isinstance(recipe, ModelRecipe) and isinstance(model, HierarchicalModel)):
        return []
    named = dict.fromkeys(table.name for table in recipe.tasks)
    return [name for name in named if not any(task.startswith(name) for task in model.wiring)]


def _fit_baseline(dataset: Dataset, recipe: BaselineRecipe, watch: Watch) -> dict[str, Any]:
    watch.say(f"train: fitting {recipe.baseline.name}")
    scorer = registry.load("baselines", recipe.baseline.name).fit(recipe.baseline.config, dataset.training())
    state: dict[str, Any] = scorer.state()
    return state


def _check_out(dataset: Dataset, out: Path, recipe: str, resume: bool, overwrite: bool) -> None:
    begun = (out / RECIPE).is_file()
    if overwrite and begun:
        return  # _begin removes it, once the new model stands
    if (out / SEALS["run"]).is_file():
        raise BadFolder(f"{out} is a finished run. Choose another --out, or replace it with --overwrite.")
    if begun and not resume:
        raise BadFolder(f"{out} holds an unfinished training. Go on with --resume, or start anew with --overwrite.")
    if begun and write_recipe(read_recipe(out / RECIPE)) != recipe:
        raise BadFolder(f"{out} was begun with another recipe ({out / RECIPE}). Resume with that one, or --overwrite.")
    if begun and (name := _other_catalog(dataset, out)):
        raise BadFolder(
            f"{out} was begun on another dataset than {dataset.folder}: {name} differs. Resume with that one."
        )
    if not begun and resume:
        raise BadFolder(f"There is no training to resume in {out}. Leave out --resume.")
    if not begun and out.exists() and (not out.is_dir() or any(path.name != "catalog" for path in out.iterdir())):
        raise BadFolder(f"{out} exists and is no run folder. Choose another --out.")


def _other_catalog(dataset: Dataset, out: Path) -> str | None:
    """The first file of the dataset's catalogue that the run has otherwise or not at all."""
    for name, facts in dataset.document["files"].items():
        if name.startswith("catalog/") and not ((out / name).is_file() and sha256(out / name) == facts["sha256"]):
            return str(name)
    return None


def _begin(dataset: Dataset, recipe: str, out: Path, overwrite: bool) -> None:
    """What a run holds from its first moment; the recipe comes last and marks it as begun."""
    if (out / RECIPE).is_file():
        if not overwrite:
            return
        shutil.rmtree(out)
    shutil.rmtree(out / "catalog", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    copy_catalog(dataset.folder / "catalog", out / "catalog")
    write_text(out / RECIPE, recipe)


def _seal(dataset: Dataset, recipe: str, out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "recipe": recipe,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("hiersrec", "torch", "numpy")},
        "dataset": {"name": dataset.name, "path": str(dataset.folder.resolve()), "fingerprint": dataset.fingerprint},
        **facts,
    }
    files = [out / WEIGHTS, out / RECIPE, out / "history.jsonl"]
    files += [path for path in (out / "catalog").rglob("*") if path.is_file()]
    seal(out, "run", document, files)
    return document
