"""`train(dataset, recipe)`: a dataset folder and a recipe -> a run."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec import arguments
from hiersrec.api.folders import dataset_of, run_folder_of, target
from hiersrec.api.processes import by_torchrun
from hiersrec.api.recipes import Overrides, as_texts
from hiersrec.api.recipes import recipe as recipe_of
from hiersrec.api.reporting import reporting
from hiersrec.api.run import Run
from hiersrec.arguments import FLAG, WHOLE
from hiersrec.errors import DEFAULT_RECIPE, BadFolder, BadInput, named_extras, repr_of
from hiersrec.store.dataset import Dataset

if TYPE_CHECKING:
    from hiersrec.config import Recipe
    from hiersrec.training.callbacks import Callback


def train(
    dataset: Dataset | str | Path,
    recipe: "str | Path | Recipe | None" = None,
    *,
    out: str | Path | None = None,
    overrides: Overrides = (),
    init_from: Run | str | Path | None = None,
    teachers: Sequence[Run | str | Path] = (),
    seed: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: "Sequence[Callback]" = (),
    log: str | Sequence[str] = (),
    progress: bool = True,
) -> Run:
    """Train a recipe on the training sessions of a dataset, with early stopping on its validation sessions.

    A training that was stopped, by a kill too, goes on from its last checkpoint with `resume=True` and the same
    arguments. Under torchrun all processes call this.

    Args:
        dataset: A dataset, or its folder.
        recipe: Name of a recipe (see `members("recipes")`), a .toml file, or a recipe. Default: "best", or
            "sampled" where its full softmax would take over an hour an epoch here; with `init_from` the recipe of that
            run, with `resume` the recipe of the stopped training.
        out: The run folder to make. If left out, a temporary one that is removed with the returned object.
        overrides: Settings to change, such as {"training.epochs": 3, "tasks.item.head": "linear"}.
        init_from: A run, trained on older data, whose weights are the first ones.
        teachers: Runs on the same dataset whose predictions share in the target.
        seed: The same as {"training.seed": seed}.
        resume: Go on with the training that was stopped in `out`, or that was to replace the run in `out`.
        overwrite: Replace an older run, which stays until the new one is finished, or start an unfinished one over.
        callbacks: Told of each step and epoch, see `Callback`.
        log: Trackers by name, such as "csv", "tensorboard" or "mlflow=sqlite:///runs.db"; see `members("loggers")`.
        progress: Show a bar on standard error.

    Raises:
        BadRecipe: The recipe has a setting that is wrong, or wrong for this dataset.
        BadFolder: A folder is not what it should be, or `out` holds something already.
        HiersrecError: The loss became NaN or infinite.

    """
    with named_extras():
        from hiersrec.recipe_file import RUN_RECIPE
        from hiersrec.training import default_recipe, fit
        from hiersrec.training.callbacks import Callback, loggers_of
        from hiersrec.training.distributed import process_group
        from hiersrec.training.unfinished import to_resume
        from hiersrec.training.warm_start.transfer import origin_recipe, without_teachers

    FLAG.check(resume=resume, overwrite=overwrite, progress=progress)
    WHOLE.check_given(seed=seed)
    logs = arguments.texts(log=log)
    given = list(callbacks) if isinstance(callbacks, Iterable) else [None]
    if not all(isinstance(callback, Callback) for callback in given):
        raise BadInput(f"callbacks must be a list of objects of subclasses of Callback, got {repr_of(callbacks)}.")
    if isinstance(teachers, str) or not isinstance(teachers, Iterable):
        raise BadInput(f"teachers must be a list of runs or of their folders, got {repr_of(teachers)}.")
    if resume and overwrite:
        raise BadInput("resume continues a training, and overwrite starts it over. Give one of them.")
    if out is None and (resume or by_torchrun()):
        raise BadInput("There is no folder to resume in or to share. Name the run folder with out.")
    changes = [*as_texts(overrides), *([] if seed is None else [f"training.seed={seed}"])]
    if folders := [str(run_folder_of(teacher, "each of the teachers")) for teacher in teachers]:
        changes += as_texts({"training.teachers": folders})
    start = None if init_from is None else run_folder_of(init_from, "init_from")
    with target(out, "run") as place:
        folder = place.path
        with reporting(progress) as reporter, process_group(_report) as processes:
            with processes.synchronized():
                opened = dataset_of(dataset)
                if folder.resolve().is_relative_to(opened.folder.resolve()):
                    raise BadFolder(f"{folder} lies in the dataset folder {opened.folder}. Choose another --out.")
                if recipe is None and resume and (begun := to_resume(folder) / RUN_RECIPE).is_file():
                    recipe = begun
                elif recipe is None and start is not None:
                    recipe = origin_recipe(start)
                    changes = [*without_teachers(recipe), *changes]
                chosen = recipe_of(DEFAULT_RECIPE if recipe is None else recipe, changes, dataset=opened.name)
                trackers = loggers_of(logs, folder)
            if recipe is None and (why := default_recipe.why_sampled(chosen, changes, opened.training(), processes)):
                chosen = recipe_of(default_recipe.LARGE_RECIPE, changes, dataset=opened.name)
                if processes.first:
                    reporter.say(f"train: {why}")
            fit.train(
                opened,
                chosen,
                folder,
                reporter,
                init_from=start,
                resume=resume,
                overwrite=overwrite,
                processes=processes,
                callbacks=[*given, *trackers],
            )
        run = Run.open(folder, dataset=opened)
        place.held_by(run)
    return run


def can_resume(out: Path) -> bool:
    """Whether a training for the run folder `out` has a checkpoint."""
    from hiersrec.training.unfinished import has_checkpoint, replacement

    return any(has_checkpoint(folder) for folder in (out, replacement(out)))


def _report(error: Exception) -> None:
    """Of several processes the first reports the error that all of them end with."""
    sys.stderr.write(f"Error: {error}\n")
