"""The runs that a table needs: trained if missing, resumed if unfinished, else reused.

OUT/runs/RECIPE-SEED is a run folder of `hiersrec train`, with the metrics and ranks of `hiersrec evaluate`. A recipe
without [training] has one run; all others have one per seed.
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
from hiersrec.reproduction._bench import BUDGETS, Bench
from hiersrec.reproduction._cells import METRICS
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.folder import SEALS, open_seal, sha256
from hiersrec.training.epochs import with_epochs
from hiersrec.training.fit import train
from hiersrec.training.progress import progress_stage


def recipe_of(bench: Bench, name: str, seed: int = 0) -> Recipe:
    """The dataset's recipe of that name, with the seed and within the budget."""
    path = find_recipe(name, bench.dataset.name)
    recipe = with_epochs(read_recipe(path), bench.dataset)
    if recipe.training is None:
        return recipe
    limited = {key: min(limit, getattr(recipe.training, key)) for key, limit in BUDGETS[bench.budget].items()}
    return replace(recipe, training=replace(recipe.training, **limited, seed=seed))


def seeds_of(bench: Bench, name: str) -> range:
    return range(1 if recipe_of(bench, name).training is None else bench.seeds)


def folder_of(bench: Bench, name: str, seed: int = 0) -> Path:
    """Folder of a run."""
    return bench.out / "runs" / f"{name}-{seed}"


def folders(bench: Bench, names: Sequence[str]) -> list[Path]:
    """Run folders of several recipes, for all their seeds."""
    return [folder_of(bench, name, seed) for name in names for seed in seeds_of(bench, name)]


def complete(bench: Bench, names: Sequence[str]) -> None:
    """Train and evaluate the missing runs of `names`.

    Raises BadFolder, before anything is trained, if a folder has a run with other settings or of another dataset.
    """
    needed = [(name, seed) for name in names for seed in seeds_of(bench, name)]
    for name, seed in needed:
        _check(bench, folder_of(bench, name, seed), recipe_of(bench, name, seed))
    for number, (name, seed) in enumerate(needed, start=1):
        folder = folder_of(bench, name, seed)
        is_finished = (folder / SEALS["run"]).is_file()
        bench.reporter.say(f"run {number} of {len(needed)}: {name}, seed {seed}{', exists already' * is_finished}")
        if not is_finished:
            resume = (folder / RECIPE).is_file()
            train(bench.dataset, recipe_of(bench, name, seed), folder, bench.reporter, resume=resume)
        evaluated(bench, name, seed)


def evaluated(bench: Bench, name: str, seed: int = 0, candidates: Candidates | None = None) -> dict[str, Any]:
    """The metrics document of a run on the test sessions, read from its folder or else made now."""
    chosen = candidates or Candidates()
    suffix = "" if chosen.policy == "all" else f"-candidates-{chosen.policy}-top{chosen.top}"
    folder = folder_of(bench, name, seed)
    path = folder / f"metrics{suffix}.json"
    if path.is_file() and (folder / f"ranks{suffix}.parquet").is_file():
        existing = dict(json.loads(path.read_text(encoding="utf-8")))
        if set(METRICS) <= set(existing["metrics"]):  # else others were asked for
            return existing
    options = EvaluationOptions(candidates=chosen)
    with progress_stage(bench.reporter, f"evaluate: {folder.name}{suffix}") as progress:
        document = evaluate_run(folder, bench.dataset.folder, options=options, progress=progress)
    assert document["files"]["metrics"] == path.name
    return document


def mean(bench: Bench, name: str, metric: str) -> float | None:
    """Mean over the seeds of a metric on the test sessions; None if the recipe lacks it."""
    metrics = [evaluated(bench, name, seed)["metrics"] for seed in seeds_of(bench, name)]
    values = [document[metric] for document in metrics if metric in document]
    return sum(values) / len(values) if values else None


def means(bench: Bench, name: str, prefix: str = "") -> dict[str, float | None]:
    """METRICS -> mean over the seeds, of the items or of the task in `prefix`, such as "category_1/"."""
    return {metric: mean(bench, name, f"{prefix}{metric}") for metric in METRICS}


def _check(bench: Bench, folder: Path, recipe: Recipe) -> None:
    if not (folder / RECIPE).is_file():
        return
    way_out = "Remove that folder, or choose another --out."
    old = replace(read_recipe(folder / RECIPE), description=recipe.description)
    if old != recipe:
        difference = _first_difference(write_recipe(old), write_recipe(recipe))
        raise BadFolder(f"{folder} was made with other settings than those of this call: {difference}. {way_out}")
    is_finished = (folder / SEALS["run"]).is_file()
    trained_on = (
        open_seal(folder, "run")["dataset"]["fingerprint"]
        if is_finished
        else sha256(folder / "catalog" / "items.parquet")  # the definition of a fingerprint
    )
    if trained_on != bench.dataset.fingerprint:
        raise BadFolder(f"{folder} was trained on other items than those of {bench.dataset.folder}. {way_out}")


def _first_difference(old_recipe: str, new_recipe: str) -> str:
    """Such as "training.epochs is 3 there, 6 now"."""
    old, new = dict(_settings(tomllib.loads(old_recipe))), dict(_settings(tomllib.loads(new_recipe)))
    key = next(key for key in {**new, **old} if old.get(key) != new.get(key))
    return f"{key} is {old.get(key, 'absent')} there, {new.get(key, 'absent')} now"


def _settings(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of all settings, such as training.epochs or tasks.item.weight."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _settings(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value and all(isinstance(table, dict) for table in value):
        for table in value:
            yield from _settings(table, f"{key}.{table['name']}")
    else:
        yield key, value
