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
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.trainable import Trainable, parameter_count
from hiersrec.recipe_file import members_of, settings_of
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.folder import new_file, open_seal, seal, write_text
from hiersrec.training import allocator, checkpoint, loop
from hiersrec.training.advice import advice
from hiersrec.training.callbacks import Callback, CallbackGroup, TrainingStart
from hiersrec.training.card import model_card
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import ProcessGroup, single_process
from hiersrec.training.epochs import with_epochs
from hiersrec.training.examples import examples_of
from hiersrec.training.finish_terms import finish_terms
from hiersrec.training.fit_tree import fit_tree
from hiersrec.training.memory_estimate import check_memory
from hiersrec.training.progress import ProgressReporter, SilentReporter
from hiersrec.training.run_folder import RunFolder, check_begun_alike, run_folder
from hiersrec.training.teachers import open_teachers
from hiersrec.training.unfinished import STATE, with_a_name
from hiersrec.training.warm_start import transfer

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
    training for `out`, with the same recipe; its state holds the first weights. With `overwrite` a finished run in
    `out` stays until the new one is finished, and an interrupted training is started over. Of several `processes` all
    call it, with the same arguments; the first writes. Raises what run_folder(), warm_start/ and `callbacks` raise.
    """
    allocator.limit_kernels()  # before advice multiplies anything
    processes, out = processes or single_process(), with_a_name(out)
    if not processes.first:
        reporter, callbacks = SilentReporter(), ()
    with processes.synchronized():
        check([ONE_PROCESS] * (processes.count > 1) + [OWN_WEIGHTS] * (init_from is not None), settings_of(recipe))
        if init_from is not None:  # before run_folder, which advises --overwrite
            transfer.check_not_replaced(init_from, out, "the run to start from")
        for teacher in () if recipe.training is None else recipe.training.teachers:
            transfer.check_not_replaced(Path(teacher), out, "one of the teachers")
    recipe, given = with_epochs(recipe, dataset), recipe
    with run_folder(dataset, out, recipe, processes, resume=resume, overwrite=overwrite) as place:
        if place.resumes and not resume:
            with processes.synchronized():
                check_begun_alike(place, init_from)
        if place.is_finished:
            reporter.say(f"train: {out} is finished already")
        elif recipe.training is None:
            assert isinstance(recipe, BaselineRecipe), "our own recipes have [training]"
            _train_by_counting(dataset, recipe, place, reporter, callbacks)
        else:
            if recipe is not given:
                number = recipe.training.epochs
                reporter.say(f'train: epochs = "auto": at most {number}, by the number of training prefixes')
            _train_by_gradient(dataset, recipe, recipe.training, place, reporter, processes, init_from, callbacks)
    if processes.first and not place.is_finished:
        reporter.say(f"train: wrote {out}")
    with processes.synchronized():
        return open_seal(out, "run")


def _train_by_counting(
    dataset: Dataset,
    recipe: BaselineRecipe,
    place: RunFolder,
    reporter: ProgressReporter,
    callbacks: Sequence[Callback],
) -> None:
    reporter.say(f"train: fitting {recipe.baseline.name}")
    scorer = registry.load("baselines", recipe.baseline.name).fit(recipe.baseline.config, dataset.training())
    state: dict[str, Any] = scorer.state()
    place.begin(dataset, recipe)
    parameters = sum(array.size for array in state.values())
    with closing(CallbackGroup(callbacks, _training_start(dataset, recipe, place, parameters))) as group:
        group.start()
        with new_file(place.folder / WEIGHTS) as path:
            safetensors.numpy.save_file(state, path)
        _finish(dataset, recipe, place.folder, parameters, None, {})
        group.end({})


def _training_start(dataset: Dataset, recipe: Recipe, place: RunFolder, parameters: int) -> TrainingStart:
    return TrainingStart(
        out=place.folder,
        state=place.state,
        name=place.out.resolve().name,
        recipe=recipe.name,
        settings=settings_of(recipe),
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        parameters=parameters,
        epochs=0 if recipe.training is None else recipe.training.total_epochs,
    )


def _train_by_gradient(
    dataset: Dataset,
    recipe: Recipe,
    config: Training,
    place: RunFolder,
    reporter: ProgressReporter,
    processes: ProcessGroup,
    init_from: Path | None,
    callbacks: Sequence[Callback],
) -> None:
    with processes.synchronized():
        # The origin of the first weights of a resumed training, if they came from another run.
        start = transfer.read_start(place.state) if place.resumes else None
        if init_from is not None and place.resumes:
            transfer.check_same_origin(init_from, place.folder, start)
        elif init_from is not None:
            transfer.check_origin(init_from)
    data = _training_data(dataset, config)
    with torch.random.fork_rng([processes.device] if processes.device.type == "cuda" else []):
        with processes.synchronized():  # before anything is written, since a bad recipe raises here
            memory = check_memory(recipe, data, processes.device) if isinstance(recipe, ModelRecipe) else None
            torch.manual_seed(config.seed)
            model = build_trainable(recipe, data.catalog, data.train.newest(config.newest_share))
            teachers = open_teachers(recipe, model, dataset)
            for line in [*advice(recipe, data, memory), *_skipped(recipe, model)]:
                reporter.say(f"train: {line}")
            if start is not None:
                transfer.load_start(place.state, model)
            elif init_from is not None:
                start = transfer.transfer_weights(init_from, model, recipe, dataset)
                reporter.say(f"train: from {init_from}: {transfer.summary(start)}")
        with processes.synchronized():
            if processes.first:
                place.begin(dataset, recipe, None if start is None else (model, start))
                if place.folder != place.out:
                    reporter.say(f"train: {place.out} stays as it is until the new run, in {place.folder}, is finished")
        parameters = parameter_count(model)
        with closing(CallbackGroup(callbacks, _training_start(dataset, recipe, place, parameters))) as group:
            progress = loop.fit(model, data, config, place.state, reporter, processes, teachers, group)
            with processes.synchronized():
                if processes.first:
                    _write_weights(model, data, config, place, reporter)
                    origins: dict[str, Any] = {} if start is None else {"init_from": start}
                    if teachers is not None:
                        origins["teachers"] = list(teachers.records)
                    _finish(dataset, recipe, place.folder, parameters, progress, origins)
            best = {} if config.refit else {"best/valid/mrr@20": progress.best}
            group.end({"best/epoch": float(progress.best_epoch), **best})


def _write_weights(
    model: Trainable, data: TrainingData, config: Training, place: RunFolder, reporter: ProgressReporter
) -> None:
    """Those of the best epoch, with what is set or fitted after it."""
    with new_file(place.folder / WEIGHTS) as path:
        checkpoint.copy_best(place.state, path)
        if isinstance(model, HierarchicalModel) and (
            model.position_terms or model.pair_terms or model.tree_head is not None
        ):
            safetensors.torch.load_model(model, path)
            finish_terms(model, data, config.refit, reporter)
            if model.tree_head is not None:  # last, as it learns from the scores
                sessions, device = data.train.newest(config.newest_share), next(model.parameters()).device
                examples = examples_of(sessions, model.max_length, config.positions == "all", device)
                fit_tree(model, examples, config.batch_size, config.seed, reporter)
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


def _finish(
    dataset: Dataset, recipe: Recipe, folder: Path, parameters: int, progress: Progress | None, origins: dict[str, Any]
) -> None:
    """Write what a run folder holds besides its weights, the seal last, and remove the state.

    progress: None for a baseline that counts. origins: entries of run.json about the run it started from and teachers.
    """
    history: list[dict[str, Any]] = []
    best: dict[str, Any] = {}
    if progress is not None:
        history, best["epoch"] = progress.history, progress.best_epoch
        if progress.best_epoch and "valid" in history[-1]:
            best["valid_mrr@20"] = progress.best
    write_text(folder / "history.jsonl", "".join(json.dumps(record) + "\n" for record in history))
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
    write_text(folder / "MODEL_CARD.md", model_card(document, recipe.description, history))
    files = [folder / WEIGHTS, folder / RECIPE, folder / "history.jsonl"]
    seal(folder, "run", document, files + [path for path in (folder / "catalog").rglob("*") if path.is_file()])
    shutil.rmtree(folder / STATE, ignore_errors=True)
