"""Dataset folder + recipe -> run folder, resumable. The run folder is enough for inference.

run.json            the seal: versions, dataset, best epoch, checksums; written last, so an unfinished run has none
model.safetensors   weights of the best epoch       recipe.toml   the recipe with every setting spelled out
catalog/            items, categories, features     history.jsonl one line an epoch
MODEL_CARD.md       for people                      state/        what --resume needs, while training
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.numpy
import safetensors.torch
import torch

from hiersrec import registry
from hiersrec.build import RECIPE, WEIGHTS, build_trainable
from hiersrec.config import BaselineRecipe, ModelRecipe, Recipe, Training
from hiersrec.constraints import check, excludes, is_set
from hiersrec.errors import BadFolder
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.trainable import Trainable, parameter_count
from hiersrec.recipe_file import members_of, read_recipe, settings_of, write_recipe
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.folder import SEALS, new_file, open_seal, seal, sha256, write_text
from hiersrec.training import allocator, checkpoint, loop
from hiersrec.training.advice import advice
from hiersrec.training.callbacks import Callback, CallbackGroup, TrainingStart
from hiersrec.training.card import model_card
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import ProcessGroup, single_process
from hiersrec.training.examples import examples_of
from hiersrec.training.fit_tree import fit_tree
from hiersrec.training.progress import ProgressReporter, SilentReporter
from hiersrec.training.teachers import open_teachers
from hiersrec.training.warm_start import transfer

STATE = "state"
ONE_PROCESS = excludes(
    "training in several processes",
    is_set("baseline.name"),
    "CSRM has a memory, and COTREC a loss over pairs of a batch",
    "Start it without torchrun.",
)
OWN_WEIGHTS = excludes(
    "--init-from",
    is_set("baseline.name"),
    "weights are transferred by the names of our own model's tensors",
    "Give a recipe with [[tasks]], or train without --init-from.",
)


def train(
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    reporter: ProgressReporter,
    *,
    init_from: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    processes: ProcessGroup | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Fit the recipe on the dataset's training sessions and write the run folder; returns its run.json.

    `init_from` is a finished run to take the first weights from (warm_start/). `resume` continues an interrupted
    training in `out`, with the same recipe; its state holds the first weights. Of several `processes` all call it, with
    the same arguments; the first writes. Raises BadFolder if `out` holds something else, a finished run, or an
    interrupted training while `resume` is not set; what warm_start/ raises; and what `callbacks` raise.
    """
    allocator.limit_kernels()  # before advice multiplies anything
    processes = processes or single_process()
    if not processes.first:
        reporter, callbacks = SilentReporter(), ()
    with processes.synchronized():
        check([ONE_PROCESS] * (processes.count > 1) + [OWN_WEIGHTS] * (init_from is not None), settings_of(recipe))
        if init_from is not None:  # before _check_out, which advises --overwrite
            transfer.check_not_replaced(init_from, out, "the run to start from")
        for teacher in () if recipe.training is None else recipe.training.teachers:
            transfer.check_not_replaced(Path(teacher), out, "one of the teachers")
        _check_out(dataset, out, write_recipe(recipe), resume, overwrite)
        resumes = (out / RECIPE).is_file() and not overwrite
        start = transfer.read_start(out / STATE) if resumes else None
        if init_from is not None and resumes:
            transfer.check_same_origin(init_from, out, start)
        elif init_from is not None:
            transfer.check_origin(init_from)
    if recipe.training is None:
        assert isinstance(recipe, BaselineRecipe), "our own recipes have [training]"
        _train_by_counting(dataset, recipe, out, reporter, overwrite, callbacks)
    else:
        _train_by_gradient(
            dataset, recipe, recipe.training, out, reporter, overwrite, processes, init_from, start, callbacks
        )
    reporter.say(f"train: wrote {out}")
    return open_seal(out, "run")


def _train_by_counting(
    dataset: Dataset,
    recipe: BaselineRecipe,
    out: Path,
    reporter: ProgressReporter,
    overwrite: bool,
    callbacks: Sequence[Callback],
) -> None:
    reporter.say(f"train: fitting {recipe.baseline.name}")
    scorer = registry.load("baselines", recipe.baseline.name).fit(recipe.baseline.config, dataset.training())
    state: dict[str, Any] = scorer.state()
    _begin(dataset, recipe, out, overwrite)
    parameters = sum(array.size for array in state.values())
    with closing(CallbackGroup(callbacks, _training_start(dataset, recipe, out, parameters))) as group:
        group.start()
        with new_file(out / WEIGHTS) as path:
            safetensors.numpy.save_file(state, path)
        _finish(dataset, recipe, out, parameters, None, {})
        group.end({})


def _training_start(dataset: Dataset, recipe: Recipe, out: Path, parameters: int) -> TrainingStart:
    return TrainingStart(
        out=out,
        state=out / STATE,
        recipe=recipe.name,
        settings=settings_of(recipe),
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        parameters=parameters,
        epochs=0 if recipe.training is None else recipe.training.epochs,
    )


def _train_by_gradient(
    dataset: Dataset,
    recipe: Recipe,
    config: Training,
    out: Path,
    reporter: ProgressReporter,
    overwrite: bool,
    processes: ProcessGroup,
    init_from: Path | None,
    start: dict[str, Any] | None,
    callbacks: Sequence[Callback],
) -> None:
    """start: the origin of the first weights of a resumed training, if they came from another run."""
    data = _training_data(dataset, config)
    with torch.random.fork_rng([processes.device] if processes.device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        with processes.synchronized():  # before anything is written, since a bad recipe raises here
            model = build_trainable(recipe, data.catalog, data.train.newest(config.newest_share))
            teachers = open_teachers(recipe, model, dataset)
            for line in [*advice(recipe, data), *_skipped(recipe, model)]:
                reporter.say(f"train: {line}")
            if start is not None:
                transfer.load_start(out / STATE, model)
            elif init_from is not None:
                start = transfer.transfer_weights(init_from, model, recipe, dataset)
                reporter.say(f"train: from {init_from}: {transfer.summary(start)}")
        with processes.synchronized():
            if processes.first:
                _begin(dataset, recipe, out, overwrite, None if start is None else (model, start))
        parameters = parameter_count(model)
        with closing(CallbackGroup(callbacks, _training_start(dataset, recipe, out, parameters))) as group:
            progress = loop.fit(model, data, config, out / STATE, reporter, processes, teachers, group)
            with processes.synchronized():
                if processes.first:
                    _write_weights(model, data, config, out, reporter)
                    origins: dict[str, Any] = {} if start is None else {"init_from": start}
                    if teachers is not None:
                        origins["teachers"] = list(teachers.records)
                    _finish(dataset, recipe, out, parameters, progress, origins)
            best = {} if config.refit else {"best/valid/mrr@20": progress.best}
            group.end({"best/epoch": float(progress.best_epoch), **best})


def _write_weights(
    model: Trainable, data: TrainingData, config: Training, out: Path, reporter: ProgressReporter
) -> None:
    """Those of the best epoch, and of a tree head that is fitted to what they predict."""
    best = out / STATE / checkpoint.BEST
    if not (isinstance(model, HierarchicalModel) and model.tree_head is not None):
        with new_file(out / WEIGHTS) as path:
            shutil.copyfile(best, path)
        return
    safetensors.torch.load_model(model, best)
    sessions = data.train.newest(config.newest_share)
    device = next(model.parameters()).device
    examples = examples_of(sessions, model.max_length, config.positions == "all", device)
    fit_tree(model, examples, config.batch_size, config.seed, reporter)
    with new_file(out / WEIGHTS) as path:
        safetensors.torch.save_model(model, str(path))


def _training_data(dataset: Dataset, config: Training) -> TrainingData:
    """Training sessions, oldest first; with `refit` the validation sessions are among them."""
    data = dataset.training()
    if not config.refit:
        return data
    train = data.train
    if data.valid.last_only:  # validation sessions are training sessions with an item more, so they take their place
        train = train.without(data.valid)
    return replace(data, train=train.followed_by(data.valid) if data.latest else train.among(data.valid))


def _skipped(recipe: Recipe, model: Trainable) -> list[str]:
    """A line for each of the tables [[tasks]] for which the model has no task."""
    if not (isinstance(recipe, ModelRecipe) and isinstance(model, HierarchicalModel)):
        return []
    names = dict.fromkeys(registry.short(table.name) for table in recipe.tasks)
    missing = [name for name in names if not any(task.startswith(name) for task in model.wiring)]
    return [f"skipping task '{name}': the dataset has no column for it" for name in missing]


def _check_out(dataset: Dataset, out: Path, recipe: str, resume: bool, overwrite: bool) -> None:
    begun = (out / RECIPE).is_file()
    if overwrite and begun:
        is_other = any((out / seal).exists() for kind, seal in SEALS.items() if kind != "run")
        if is_other or not (out / "catalog" / "items.parquet").is_file():  # a folder of somebody with a recipe in it
            raise BadFolder(f"{out} has a {RECIPE} but is no run folder, so --overwrite does not touch it.")
        return  # _begin removes it, once the new model is built
    if (out / SEALS["run"]).is_file():
        raise BadFolder(f"{out} is a finished run. Choose another --out, or replace it with --overwrite.")
    if begun and not resume:
        raise BadFolder(f"{out} holds an unfinished training. Continue with --resume, or start over with --overwrite.")
    if begun and write_recipe(read_recipe(out / RECIPE)) != recipe:
        raise BadFolder(f"{out} was begun with another recipe ({out / RECIPE}). Resume with that one, or --overwrite.")
    if begun and (name := _changed_file(dataset, out)):
        raise BadFolder(
            f"{out} was begun on another dataset than {dataset.folder}: {name} differs. Resume with that one."
        )
    if not begun and resume:
        raise BadFolder(f"There is no training to resume in {out}. Leave out --resume.")
    if not begun and out.exists() and not (out.is_dir() and all(map(_is_leftover, out.iterdir()))):
        raise BadFolder(f"{out} exists and is no run folder. Choose another --out.")


def _is_leftover(path: Path) -> bool:
    """Whether a training that was killed before it wrote its recipe may have made `path`."""
    in_state = path.name == STATE and path.is_dir() and all(transfer.START in file.name for file in path.iterdir())
    return path.name == "catalog" or in_state


def _changed_file(dataset: Dataset, out: Path) -> str | None:
    """The first file of the dataset's catalogue that the run lacks or has with other content."""
    for name, facts in dataset.document["files"].items():
        if name.startswith("catalog/") and not ((out / name).is_file() and sha256(out / name) == facts["sha256"]):
            return str(name)
    return None


def _begin(
    dataset: Dataset, recipe: Recipe, out: Path, overwrite: bool, start: tuple[Trainable, dict[str, Any]] | None = None
) -> None:
    """Write what a run holds from the start, unless it is resumed; the recipe comes last and marks it as begun.

    start: a model whose weights come from another run, and their origin.
    """
    if (out / RECIPE).is_file():
        if not overwrite:
            return
        shutil.rmtree(out)
    for name in ("catalog", STATE):
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(dataset.folder / "catalog", out / "catalog")  # so that the run is enough for inference
    if start is not None:
        transfer.write_start(out / STATE, *start)
    write_text(out / RECIPE, write_recipe(recipe))


def _finish(
    dataset: Dataset, recipe: Recipe, out: Path, parameters: int, progress: Progress | None, origins: dict[str, Any]
) -> None:
    """Write what a run folder holds besides its weights, and remove the state.

    progress: None for a baseline that counts. origins: entries of run.json about the run it started from and teachers.
    """
    history: list[dict[str, Any]] = []
    best: dict[str, Any] = {}
    if progress is not None:
        history, best["epoch"] = progress.history, progress.best_epoch
        if progress.best_epoch and "valid" in history[-1]:
            best["valid_mrr@20"] = progress.best
    write_text(out / "history.jsonl", "".join(json.dumps(record) + "\n" for record in history))
    document: dict[str, Any] = {
        "recipe": recipe.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("hiersrec", "torch", "numpy")},
        "dataset": {"name": dataset.name, "path": str(dataset.folder.resolve()), "fingerprint": dataset.fingerprint},
        "parameters": parameters,
        "best": best,
        **origins,
    }
    if plugins := [*registry.record(members_of(recipe)), *dataset.document.get("plugins", [])]:
        document["plugins"] = plugins
    files = [out / WEIGHTS, out / RECIPE, out / "history.jsonl"]
    seal(out, "run", document, files + [path for path in (out / "catalog").rglob("*") if path.is_file()])
    write_text(out / "MODEL_CARD.md", model_card(document, recipe.description, history))
    shutil.rmtree(out / STATE, ignore_errors=True)
