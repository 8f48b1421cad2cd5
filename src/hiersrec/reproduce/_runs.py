"""The runs that a table needs: trained where they are missing, gone on with where they stopped, else used again.

OUT/runs/RECIPE-SEED is a run folder as `hiersrec train` makes it, with the metrics and ranks of `hiersrec evaluate`. A
recipe that only counts has one run; all others have one for each seed.
"""

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hiersrec.build import RECIPE
from hiersrec.config import Recipe
from hiersrec.errors import BadFolder
from hiersrec.evaluate_run import evaluate_run
from hiersrec.evaluation.evaluate import EvaluationOptions
from hiersrec.recipe_file import find_recipe, read_recipe, write_recipe
from hiersrec.reproduce._bench import BUDGETS, Bench
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.folder import SEALS, open_seal, sha256
from hiersrec.training.callbacks import stretch
from hiersrec.training.fit import train


def recipe_of(bench: Bench, name: str, seed: int = 0) -> Recipe:
    """The dataset's recipe of that name, with the seed, within the budget."""
    path = find_recipe(name, bench.dataset.name)
    training = read_recipe(path).training
    if training is None:
        return read_recipe(path)
    most = {key: min(limit, getattr(training, key)) for key, limit in BUDGETS[bench.budget].items()}
    return read_recipe(path, [f"training.{key}={value}" for key, value in {**most, "seed": seed}.items()])


def seeds_of(bench: Bench, name: str) -> range:
    """Seeds of the runs of a recipe."""
    return range(1 if recipe_of(bench, name).training is None else bench.seeds)


def folder_of(bench: Bench, name: str, seed: int = 0) -> Path:
    """Where a run lies."""
    return bench.out / "runs" / f"{name}-{seed}"


def folders(bench: Bench, names: Sequence[str]) -> list[Path]:
    """The run folders of some recipes, seed by seed."""
    return [folder_of(bench, name, seed) for name in names for seed in seeds_of(bench, name)]


def complete(bench: Bench, names: Sequence[str]) -> None:
    """Train and evaluate what is missing of the runs of `names`.

    Raises BadFolder, before anything is trained, if a folder holds another run than the one that is needed.
    """
    wanted = [(name, seed) for name in names for seed in seeds_of(bench, name)]
    for name, seed in wanted:
        _check(bench, folder_of(bench, name, seed), recipe_of(bench, name, seed))
    for at, (name, seed) in enumerate(wanted, start=1):
        folder = folder_of(bench, name, seed)
        is_there = (folder / SEALS["run"]).is_file()
        bench.callback.say(f"run {at} of {len(wanted)}: {name}, seed {seed}{', is there already' * is_there}")
        if not is_there:
            resume = (folder / RECIPE).is_file()
            train(bench.dataset, recipe_of(bench, name, seed), folder, bench.callback, resume=resume)
        measured(bench, name, seed)


def measured(bench: Bench, name: str, seed: int = 0, candidates: Candidates | None = None) -> dict[str, Any]:
    """The metrics document of a run on the test sessions: the one in its folder, or else made now."""
    chosen = candidates or Candidates()
    suffix = "" if chosen.policy == "all" else f"-candidates-{chosen.policy}-top{chosen.top}"
    folder = folder_of(bench, name, seed)
    path = folder / f"metrics{suffix}.json"
    if path.is_file() and (folder / f"ranks{suffix}.parquet").is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    with stretch(bench.callback, f"evaluate: {folder.name}{suffix}") as progress:
        made = evaluate_run(
            folder, bench.dataset.folder, options=EvaluationOptions(candidates=chosen), progress=progress
        )
    assert made["files"]["metrics"] == path.name
    return made


def mean(bench: Bench, name: str, metric: str) -> float | None:
    """Mean over the seeds of a metric on the test sessions; None if the recipe predicts nothing of that name."""
    found = [measured(bench, name, seed)["metrics"].get(metric) for seed in seeds_of(bench, name)]
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def _check(bench: Bench, folder: Path, recipe: Recipe) -> None:
    if not (folder / RECIPE).is_file():
        return
    way_out = "Remove that folder, or choose another --out."
    found = replace(read_recipe(folder / RECIPE), description=recipe.description)
    if found != recipe:
        differs = _first_difference(write_recipe(found), write_recipe(recipe))
        raise BadFolder(f"{folder} was made with other settings than are asked for now: {differs}. {way_out}")
    is_finished = (folder / SEALS["run"]).is_file()
    trained_on = (
        open_seal(folder, "run")["dataset"]["fingerprint"]
        if is_finished
        else sha256(folder / "catalog" / "items.parquet")  # which is what a fingerprint is
    )
    if trained_on != bench.dataset.fingerprint:
        raise BadFolder(f"{folder} was trained on other items than those of {bench.dataset.folder}. {way_out}")


def _first_difference(there: str, now: str) -> str:
    """Such as "training.epochs is 3 there, 6 now"."""
    old, new = dict(_settings(tomllib.loads(there))), dict(_settings(tomllib.loads(now)))
    key = next(key for key in {**new, **old} if old.get(key) != new.get(key))
    return f"{key} is {old.get(key, 'absent')} there, {new.get(key, 'absent')} now"


def _settings(table: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted place; a task's by its name."""
    if isinstance(table, dict):
        for key, value in table.items():
            yield from _settings(value, f"{place}.{key}" if place else key)
    elif isinstance(table, list) and all(isinstance(one, dict) for one in table) and table:
        for one in table:
            yield from _settings(one, f"{place}.{one['name']}")
    else:
        yield place, table
