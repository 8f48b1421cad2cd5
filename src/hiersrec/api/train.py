"""`train(dataset, recipe)`: a dataset folder and a recipe -> a run."""

import shutil
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec.api.processes import by_torchrun
from hiersrec.api.recipes import Overrides, as_texts
from hiersrec.api.recipes import recipe as recipe_of
from hiersrec.api.reporting import reporting
from hiersrec.api.run import Run
from hiersrec.errors import DEFAULT_RECIPE, BadInput, named_extras
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
        recipe: Name of a recipe (see `members("recipes")`), a .toml file, or a recipe. Default: "best"; with
            `init_from` the recipe of that run, with `resume` the recipe of the stopped training.
        out: The run folder to make. If left out, a temporary one that is removed with the returned object.
        overrides: Settings to change, such as {"training.epochs": 3, "tasks.item.head": "linear"}.
        init_from: A run, trained on older data, whose weights are the first ones.
        teachers: Runs on the same dataset whose predictions are soft targets.
        seed: The same as {"training.seed": seed}.
        resume: Go on with the training that was stopped in `out`.
        overwrite: Replace an older run folder.
        callbacks: Told of each step and epoch, see `Callback`.
        log: Trackers by name, such as "csv", "tensorboard" or "mlflow=sqlite:///runs.db"; see `members("loggers")`.
        progress: Show a bar on standard error.

    Raises:
        BadRecipe: The recipe has a setting that is wrong, or wrong for this dataset.
        BadFolder: A folder is not what it should be, or `out` holds something already.
        HiersrecError: The loss became NaN or infinite.

    """
    with named_extras():
        from hiersrec.build import RECIPE
        from hiersrec.training import fit
        from hiersrec.training.callbacks import loggers_of
        from hiersrec.training.distributed import process_group
        from hiersrec.training.warm_start.transfer import origin_recipe

    if out is None and (resume or by_torchrun()):
        raise BadInput("There is no folder to resume in or to share. Name the run folder with out.")
    changes = [*as_texts(overrides), *([] if seed is None else [f"training.seed={seed}"])]
    if teachers:
        changes += as_texts({"training.teachers": [str(_folder_of(teacher)) for teacher in teachers]})
    start = None if init_from is None else _folder_of(init_from)
    folder = Path(tempfile.mkdtemp(prefix="hiersrec-")) / "run" if out is None else Path(out)
    try:
        with reporting(progress) as reporter, process_group(_report) as processes:
            with processes.synchronized():
                opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
                if recipe is None and resume and (folder / RECIPE).is_file():
                    recipe = folder / RECIPE
                elif recipe is None:
                    recipe = DEFAULT_RECIPE if start is None else origin_recipe(start)
                chosen = recipe_of(recipe, changes, dataset=opened.name)
                trackers = loggers_of([log] if isinstance(log, str) else log, folder)
            fit.train(
                opened,
                chosen,
                folder,
                reporter,
                init_from=start,
                resume=resume,
                overwrite=overwrite,
                processes=processes,
                callbacks=[*callbacks, *trackers],
            )
    except BaseException:
        if out is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    run = Run.open(folder, dataset=opened)
    if out is None:
        weakref.finalize(run, shutil.rmtree, folder.parent, ignore_errors=True)
    return run


def _folder_of(run: Run | str | Path) -> Path:
    return run.folder if isinstance(run, Run) else Path(run)


def _report(error: Exception) -> None:
    """Of several processes the first reports the error that all of them end with."""
    sys.stderr.write(f"Error: {error}\n")
