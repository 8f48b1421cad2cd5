"""`hiersrec tune`: a recipe's [search], tried setting by setting on a dataset folder; resumable at any moment.

OUT/trials.json    what is searched, and settings, validation metrics, epochs and seconds of each trial; the state
OUT/recipe.toml    the recipe as it stands, every setting spelled out: what the settings of a trial go over
OUT/best.toml      the best recipe so far, ready for `hiersrec train --recipe`
OUT/trials/NUMBER  the run folder of each trial; only the best one keeps its weights

The search itself sees validation metrics alone: it is handed a function that measures settings, and no sessions. That
function trains and measures on Dataset.training(), which has no way to the test split.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hiersrec.build import RECIPE
from hiersrec.errors import BadFolder, BadInput, BadRecipe, HiersrecError
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import write_text
from hiersrec.training.callbacks import Callback
from hiersrec.tuning import record, sampler, trial
from hiersrec.tuning.progress import Numbered, told
from hiersrec.tuning.record import Trial
from hiersrec.tuning.space import Choices, Settings, Space, read_space, with_settings
from hiersrec.tuning.trial import METRICS, Outcome

BEST = "best.toml"


def tune(
    dataset: Dataset,
    path: Path,
    overrides: Sequence[str],
    out: Path,
    callback: Callback,
    *,
    trials: int = 20,
    seed: int = 0,
) -> dict[str, Any]:
    """Search the settings of the recipe file `path`, all `trials` counted, into `out`; returns trials.json.

    A search that lies in `out` already goes on, up to `trials` in all. Raises BadRecipe if the [search] is missing or
    wrong or every trial failed, BadFolder if `out` holds something else, MissingExtra without Optuna.
    """
    for name, value, least in (("--trials", trials, 1), ("--seed", seed, 0)):
        if value < least:
            raise BadInput(f"{name} must be at least {least}, got {value}.")
    sampler.require()
    space = read_space(path, overrides)
    recipe = read_recipe(path, overrides)
    study = {
        "recipe": tomllib.loads(write_recipe(recipe)),
        "search": {place: _plain(axis) for place, axis in space.axes.items()},
        "dataset": {"name": dataset.name, "fingerprint": _fingerprint(dataset)},
        "seed": seed,
    }
    found = record.read(out, study)
    for place in space.passed_over:
        callback.say(f"tune: the recipe has no {place}, which takes no part")
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(".*.part"):
        left.unlink()  # of a process that was killed while it wrote
    record.write(out, study, found)  # first: a folder without it is not taken for a search
    write_text(out / RECIPE, write_recipe(recipe))  # a copy: the file may be edited before the last trial

    def measure(one: Trial) -> Outcome:
        title = f"trial {one.number}/{trials}"
        return trial.run(
            dataset, with_settings(out / RECIPE, one.settings), _folder(out, one), Numbered(callback, title)
        )

    def keep(all_of_them: list[Trial]) -> None:
        _keep(out, study, all_of_them)

    found = _search(space, found, measure, keep, callback, trials, seed)
    if record.best_of(found) is None:
        raise BadRecipe(
            f"All {len(found)} trials failed, the first because: {found[0].reason} Mend the recipe or its [search], "
            f"and choose another --out than {out}."
        )
    return record.write(out, study, found)


def _search(
    space: Space,
    found: list[Trial],
    measure: Callable[[Trial], Outcome],
    keep: Callable[[list[Trial]], None],
    callback: Callback,
    trials: int,
    seed: int,
) -> list[Trial]:
    """All trials, those `found` included; `keep` is told of each before it begins and when it has ended."""
    if found:
        ended = sum(one.state != "running" for one in found)
        callback.say(f"tune: going on after {ended} of {max(trials, ended)} trials")
    keep(found)
    while sum(one.state != "running" for one in found) < trials:
        if not found or found[-1].state != "running":
            settings = space.own if not found else _proposed(space, found, seed)
            if settings is None:
                callback.say(
                    f"tune: {sampler.ATTEMPTS} proposals in a row were tried before: the search ends after "
                    f"{len(found)} trials"
                )
                break
            found = [*found, Trial(number=len(found) + 1, state="running", settings=settings, versions=_versions())]
            keep(found)
        callback.say(f"tune: trial {found[-1].number} of {trials}: {told(found[-1].settings)}")
        found = [*found[:-1], _ended(found[-1], measure)]
        keep(found)
        callback.say(_news(found, trials))
    return found


def _proposed(space: Space, found: list[Trial], seed: int) -> Settings | None:
    done = [(one.settings, one.valid.get(METRICS[0])) for one in found]
    return sampler.propose(space.axes, done, seed, len(found) + 1)


def _ended(one: Trial, measure: Callable[[Trial], Outcome]) -> Trial:
    try:
        outcome = measure(one)
    except BadFolder:
        raise  # not the fault of the settings
    except HiersrecError as error:
        return replace(one, state="failed", reason=str(error))
    return replace(one, state="finished", **asdict(outcome))


def _keep(out: Path, study: dict[str, Any], trials: list[Trial]) -> None:
    """Write trials.json and best.toml, then drop the weights of every ended trial but the best."""
    best = record.best_of(trials)
    if best:
        write_text(out / BEST, write_recipe(with_settings(out / RECIPE, best.settings)))
    record.write(out, study, trials)
    for one in trials:
        if one.state != "running":
            trial.slim(_folder(out, one), keep_weights=one is best)


def _folder(out: Path, one: Trial) -> Path:
    return out / "trials" / str(one.number)


def _news(trials: list[Trial], of: int) -> str:
    """How the trial that has just ended went, and how long the rest may take."""
    last, best = trials[-1], record.best_of(trials)
    went = f"failed: {last.reason.rstrip('.')}"
    if last.state == "finished":
        values = ", ".join(f"{name.upper()} {last.valid[name]:.4f}" for name in METRICS)
        epochs = f"{last.epochs} epochs, " if last.epochs else ""
        went = f"validation {values} in {epochs}{last.seconds:.0f} s"
    text = f"tune: trial {last.number} of {of}: {went}"
    if best:
        text += f"; best {best.valid[METRICS[0]]:.4f}, trial {best.number}"
    if left := of - len(trials):
        text += f"; about {left * sum(one.seconds for one in trials) / len(trials):,.0f} s to go"
    return text


def _plain(axis: Any) -> Any:
    """An axis as JSON has it."""
    return json.loads(json.dumps(axis.values if isinstance(axis, Choices) else asdict(axis)))


def _fingerprint(dataset: Dataset) -> str:
    """Checksum of all that a search may see of a dataset: catalogue, training and validation sessions."""
    files = {name: facts["sha256"] for name, facts in dataset.document["files"].items()}
    seen = {name: found for name, found in files.items() if not name.startswith("test/")}
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("hiersrec", "optuna", "torch", "numpy")}
