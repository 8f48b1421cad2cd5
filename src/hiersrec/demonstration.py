"""Prepare, train, evaluate and recommend once, on the dataset that comes with the package.

It calls the same functions as the commands, so it is also an example of using them from Python. In Wikispeedia people
click from one Wikipedia article to another; a session is such a walk, and the task is the next click.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from hiersrec.datasets import wikispeedia
from hiersrec.errors import DEFAULT_RECIPE
from hiersrec.evaluate_run import evaluate_run
from hiersrec.export_run import export
from hiersrec.preparation.pipeline import prepare
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.reproduction._case import pick_sessions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.recommender import Recommender
from hiersrec.serving.render import render
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import SEALS
from hiersrec.training.fit import train
from hiersrec.training.progress import ProgressReporter, progress_stage
from hiersrec.types import ExternalId
from hiersrec.writing.tables import Table, rich

RECIPES = ("popularity", "last_category", "cooccurrence", DEFAULT_RECIPE)
METRICS = ("mrr@20", "hits@20", "recall@20", "any_hit@20")
LISTED = 5
TOP = 4
"""Categories of each level whose items the page ranks, in addition to the full ranking."""


def demo(out: Path, reporter: ProgressReporter) -> Iterator[RenderableType]:
    """Make OUT/data and OUT/runs/RECIPE; yields texts and tables: accuracy, three explained sessions, the files.

    Folders of an earlier demo are replaced. `reporter` gets progress. Raises BadFolder if OUT holds something else.
    """
    data, runs = out / "data", out / "runs"
    if data.exists():
        reporter.say(f"demo: replacing the earlier demo in {out}")
    prepare(wikispeedia.source(None), data, wikispeedia.SETTINGS, overwrite=True, say=reporter.say)
    dataset = Dataset.open(data)
    evaluated = {}
    for name in RECIPES:
        recipe = read_recipe(find_recipe(name, dataset.name))
        train(dataset, recipe, runs / name, reporter, overwrite=True)
        with progress_stage(reporter, f"evaluate: {name}") as progress:
            evaluated[name] = evaluate_run(runs / name, progress=progress)
    yield _accuracy(evaluated)
    yield ""
    walks = [dataset.catalog.to_external(walk) for walk in pick_sessions(dataset)]
    yield from _explained(runs / RECIPES[-1], walks)
    yield f"Files: the dataset in {data}, each run in {runs} (metrics.json, ranks.parquet, MODEL_CARD.md)."
    yield f'Next: hiersrec recommend {runs / RECIPES[-1]} --session "{",".join(map(str, walks[0]))}" --explain'


def is_done(out: Path) -> bool:
    """Whether an earlier demo has finished the run that `bundle_of` exports."""
    return (out / "runs" / RECIPES[-1] / SEALS["run"]).is_file()


def bundle_of(out: Path, reporter: ProgressReporter) -> Path:
    """Export the demo's model to OUT/bundle, ready to serve, with candidates of the likeliest categories."""
    bundle = out / "bundle"
    candidates = Candidates(policy="category", top=TOP)
    export(out / "runs" / RECIPES[-1], bundle, reporter.say, data=out / "data", candidates=candidates, overwrite=True)
    return bundle


def _accuracy(evaluated: dict[str, dict[str, Any]]) -> RenderableType:
    last = evaluated[RECIPES[-1]]["metrics"]
    levels = [name for name in last if name.startswith("category_") and name.endswith("/mrr@20")]
    title = f"Next item of {last['prefixes']:,} test prefixes, and next category where one is predicted"
    headings = ("recipe", *METRICS, *(level.replace("category_", "level ").replace("/", " ") for level in levels))
    rows = [
        (name, *(f"{values[metric]:.2%}" if metric in values else "" for metric in (*METRICS, *levels)))
        for name, values in ((name, document["metrics"]) for name, document in evaluated.items())
    ]
    return rich(Table(title, headings, tuple(rows)))


def _explained(run: Path, walks: list[list[ExternalId]]) -> Iterator[RenderableType]:
    """Sessions without their last item, what is recommended and why, and the rank of the last item."""
    recommender = Recommender.load(run)
    size = recommender.catalog.num_items
    answers = recommender.recommend([walk[:-1] for walk in walks], LISTED, explain=True)
    rankings = recommender.recommend([walk[:-1] for walk in walks], size)
    for walk, answer, ranking in zip(walks, answers, rankings, strict=True):
        yield from render(answer)
        target = next(item for item in ranking.items if item.item_id == walk[-1])
        yield f"The reader clicked {target.title} next, which has rank {target.rank} of {size:,}."
        yield ""
