"""`hiersrec tune`: search the settings in a recipe's [search] on a dataset folder; it can be stopped and resumed.

OUT/trials.json    the search, and settings, validation metrics, epochs and seconds of each trial; its whole state
OUT/recipe.toml    the unchanged recipe with all defaults, which the settings of a trial override
OUT/best.toml      the best recipe so far, ready for `hiersrec train --recipe`
OUT/trials/NUMBER  the run folder of each trial; only the best one keeps its weights

The search sees only validation metrics: it gets a function that evaluates settings, and no sessions. That function uses
Dataset.training(), which has no access to the test split.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hiersrec.build import RECIPE, task_names
from hiersrec.config import ModelRecipe, Recipe
from hiersrec.errors import BadFolder, BadInput, BadRecipe, HiersrecError
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import only_writer, write_text
from hiersrec.store.partial_files import remove_partial_files
from hiersrec.store.paths import PATH
from hiersrec.training.progress import ProgressReporter
from hiersrec.tuning import record, sampler, trial
from hiersrec.tuning.goal import OF_EPOCHS, Goal
from hiersrec.tuning.progress import Prefixed, settings_line
from hiersrec.tuning.record import Trial
from hiersrec.tuning.space import Choices, Space, read_space, with_settings
from hiersrec.tuning.trial import Outcome

BEST = "best.toml"


def tune(
    dataset: Dataset,
    path: Path,
    overrides: Sequence[str],
    out: Path,
    reporter: ProgressReporter,
    *,
    trials: int = 20,
    seed: int = 0,
    metric: str = OF_EPOCHS[0],
) -> dict[str, Any]:
    """Search the settings of the recipe file `path`; writes into `out` and returns trials.json.

    metric: of the validation sessions, what is best. An earlier search in `out` is continued, up to `trials` in total.
    Raises BadRecipe if the [search] is missing or wrong or every trial failed, BadFolder if `out` is something else,
    BadInput or UnknownName for a metric that can't be optimised, MissingExtra without Optuna.
    """
    for name, value, least in (("--trials", trials, 1), ("--seed", seed, 0)):
        if value < least:
            raise BadInput(f"{name} must be at least {least}, got {value}.")
    sampler.require()
    space = read_space(path, overrides)
    recipe, goal = read_recipe(path, overrides), Goal(metric)
    if goal.task:
        goal.check_task(dataset.catalog.labels)
        _check_predicts(recipe, dataset, goal)
    study = {
        "recipe": tomllib.loads(write_recipe(recipe)),
        "search": {key: _plain(axis) for key, axis in space.axes.items()},
        "dataset": {"name": dataset.name, "fingerprint": _fingerprint(dataset)},
        "seed": seed,
        **({} if goal == Goal() else {"metric": metric}),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(out):
        done = record.read(out, study)
        for key in space.skipped:
            reporter.say(f"tune: skipping [search] {key}: the recipe has no such setting")
        out.mkdir(exist_ok=True)
        remove_partial_files(out)
        record.write(out, study, done)  # first: a folder without it is not recognized as a search
        write_text(out / RECIPE, write_recipe(recipe))  # a copy: the file may be edited before the last trial
        done = _continue(dataset, space, study, done, out, reporter, trials, seed)
        return record.write(out, study, done)


def _check_predicts(recipe: Recipe, dataset: Dataset, goal: Goal) -> None:
    """Raise BadInput if a recipe with [[tasks]] doesn't predict the goal's task: after the first trial it is late."""
    if isinstance(recipe, ModelRecipe):
        tasks = task_names(recipe, dataset.catalog)
        if goal.task not in tasks and PATH not in tasks:  # paths predict every level
            raise goal.not_predicted()


def _continue(
    dataset: Dataset,
    space: Space,
    study: dict[str, Any],
    done: list[Trial],
    out: Path,
    reporter: ProgressReporter,
    trials: int,
    seed: int,
) -> list[Trial]:
    """All trials of the search in `out`, earlier ones included. Raises BadRecipe if every one failed."""
    goal = record.goal_of(study)

    def measure(new: Trial, earlier: Sequence[Trial]) -> Outcome:
        chosen = with_settings(out / RECIPE, new.settings)
        prefixed = Prefixed(reporter, f"trial {new.number}/{trials}")
        return trial.run(dataset, chosen, _folder(out, new), prefixed, goal, [one.curve for one in earlier])

    def save(done: list[Trial]) -> None:
        _save(out, study, done)

    done = _search(space, done, goal, measure, save, reporter, trials, seed)
    if record.best_of(done, goal) is None:
        raise BadRecipe(
            f"All {len(done)} trials failed, the first because: {done[0].reason} Fix the recipe or its [search], and "
            f"choose another --out than {out}."
        )
    return done


def _search(
    space: Space,
    trials: list[Trial],
    goal: Goal,
    measure: Callable[[Trial, Sequence[Trial]], Outcome],
    save: Callable[[list[Trial]], None],
    reporter: ProgressReporter,
    total: int,
    seed: int,
) -> list[Trial]:
    """All trials, earlier ones included, until `total` have ended; `save` is called when one begins and ends."""
    versions = {name: version(name) for name in ("hiersrec", "optuna", "torch", "numpy")}
    if trials:
        ended = sum(trial.state != "running" for trial in trials)
        reporter.say(f"tune: resuming after {ended} of {max(total, ended)} trials")
    save(trials)
    while sum(trial.state != "running" for trial in trials) < total:
        if not trials or trials[-1].state != "running":
            done = [(trial.settings, goal.score(trial.valid) if trial.valid else None) for trial in trials]
            settings = sampler.propose(space.axes, done, seed, len(trials) + 1) if trials else space.own
            if settings is None:
                reporter.say(
                    f"tune: {sampler.ATTEMPTS} proposals in a row repeat earlier trials: the search ends after "
                    f"{len(trials)} trials"
                )
                break
            trials = [*trials, Trial(number=len(trials) + 1, state="running", settings=settings, versions=versions)]
            save(trials)
        reporter.say(f"tune: trial {trials[-1].number} of {total}: {settings_line(trials[-1].settings)}")
        trials = [*trials[:-1], _ended(trials[-1], trials[:-1], measure)]
        save(trials)
        reporter.say(_news(trials, total, goal))
    return trials


def _ended(running: Trial, earlier: Sequence[Trial], measure: Callable[[Trial, Sequence[Trial]], Outcome]) -> Trial:
    try:
        outcome = measure(running, earlier)
    except BadFolder:
        raise  # not the fault of the settings
    except HiersrecError as error:
        if isinstance(error, BadInput) and running.number == 1:
            raise  # a metric that no trial can have
        return replace(running, state="failed", reason=str(error))
    return replace(running, state="finished", **asdict(outcome))


def _save(out: Path, study: dict[str, Any], trials: list[Trial]) -> None:
    """Write trials.json and best.toml, then delete the weights of all ended trials but the best."""
    best = record.best_of(trials, record.goal_of(study))
    if best:
        write_text(out / BEST, write_recipe(with_settings(out / RECIPE, best.settings)))
    record.write(out, study, trials)
    for ended in trials:
        if ended.state != "running":
            trial.slim(_folder(out, ended), keep_weights=ended is best)


def _folder(out: Path, trial: Trial) -> Path:
    return out / "trials" / str(trial.number)


def _news(trials: list[Trial], total: int, goal: Goal) -> str:
    """Result of the trial that has just ended, and an estimate of the remaining time."""
    last, best = trials[-1], record.best_of(trials, goal)
    result = f"failed: {last.reason.rstrip('.')}"
    if last.state == "finished":
        values = ", ".join(f"{name.upper()} {last.valid[name]:.4f}" for name in goal.reported)
        epochs = f"{last.epochs} epochs, " if last.epochs else ""
        result = f"validation {values} in {epochs}{last.seconds:.0f} s"
    text = f"tune: trial {last.number} of {total}: {result}"
    if best:
        text += f"; best {best.valid[goal.metric]:.4f}, trial {best.number}"
    if remaining := total - len(trials):
        text += f"; about {remaining * sum(trial.seconds for trial in trials) / len(trials):,.0f} s left"
    return text


def _plain(axis: Any) -> Any:
    """An axis in the form that JSON gives back."""
    return json.loads(json.dumps(axis.values if isinstance(axis, Choices) else asdict(axis)))


def _fingerprint(dataset: Dataset) -> str:
    """Checksum of the files that a search reads: catalogue, training and validation sessions."""
    files = {name: facts["sha256"] for name, facts in dataset.document["files"].items()}
    read = {name: checksum for name, checksum in files.items() if not name.startswith("test/")}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
