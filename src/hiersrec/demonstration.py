"""Prepare, train, evaluate and recommend once, on the dataset that comes with the package.

It calls the same functions as the commands, so it is also an example of using them from Python. In Wikispeedia people
click from one Wikipedia article to another; a session is such a walk, and the task is the next click.
"""

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType

from hiersrec.api.prepare import prepare
from hiersrec.api.report import Report
from hiersrec.api.reporting import reporting
from hiersrec.api.run import Run
from hiersrec.api.train import train
from hiersrec.errors import DEFAULT_RECIPE
from hiersrec.reproduction._case import pick_sessions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.render import render
from hiersrec.store.folder import SEALS
from hiersrec.types import ExternalId
from hiersrec.writing.tables import Table

RECIPES = ("popularity", "last_category", "cooccurrence", DEFAULT_RECIPE)
METRICS = ("mrr@20", "hits@20", "recall@20", "any_hit@20")
LISTED = 5
TOP = 4
"""Categories of each level whose items the page ranks, in addition to the full ranking."""


def demo(out: str | Path = "demo", *, progress: bool = True) -> Iterator[RenderableType | Table]:
    """Make OUT/data and OUT/runs/RECIPE; yields texts and tables: accuracy, three explained sessions, the files.

    Folders of an earlier demo are replaced. Raises BadFolder if OUT holds something else.
    """
    data, runs = Path(out) / "data", Path(out) / "runs"
    if data.exists():
        with reporting(progress) as reporter:
            reporter.say(f"demo: replacing the earlier demo in {out}")
    dataset = prepare(dataset="wikispeedia", out=data, overwrite=True, progress=progress)
    reports = {}
    for name in RECIPES:
        run = train(dataset, name, out=runs / name, overwrite=True, progress=progress)
        reports[name] = run.evaluate(progress=progress)
    yield _accuracy(reports)
    yield ""
    walks = [dataset.catalog.to_external(walk) for walk in pick_sessions(dataset)]
    yield from _explained(run, walks)
    yield f"Files: the dataset in {data}, each run in {runs} (metrics.json, ranks.parquet, MODEL_CARD.md)."
    yield f'Next: hiersrec recommend {run.folder} --session "{",".join(map(str, walks[0]))}" --explain'


def is_done(out: str | Path) -> bool:
    """Whether an earlier demo has finished the run that `bundle_of` exports."""
    return (Path(out) / "runs" / RECIPES[-1] / SEALS["run"]).is_file()


def bundle_of(out: str | Path, *, progress: bool = True) -> Path:
    """Export the demo's model to OUT/bundle, ready to serve, with candidates of the likeliest categories."""
    bundle = Path(out) / "bundle"
    run = Run.open(Path(out) / "runs" / RECIPES[-1])
    candidates = Candidates(policy="category", top=TOP)
    run.export(bundle, data=Path(out) / "data", candidates=candidates, overwrite=True, progress=progress)
    return bundle


def _accuracy(reports: dict[str, Report]) -> Table:
    last = reports[RECIPES[-1]].metrics
    levels = [name for name in last if name.startswith("category_") and name.endswith("/mrr@20")]
    title = f"Next item of {last['prefixes']:,} test prefixes, and next category where one is predicted"
    headings = ("recipe", *METRICS, *(level.replace("category_", "level ").replace("/", " ") for level in levels))
    rows = [
        (name, *(f"{values[metric]:.2%}" if metric in values else "" for metric in (*METRICS, *levels)))
        for name, values in ((name, report.metrics) for name, report in reports.items())
    ]
    return Table(title, headings, tuple(rows))


def _explained(run: Run, walks: list[list[ExternalId]]) -> Iterator[RenderableType]:
    """Sessions without their last item, what is recommended and why, and the rank of the last item."""
    recommender = run.recommender
    size = recommender.catalog_size
    answers = recommender.recommend([walk[:-1] for walk in walks], LISTED, explain=True)
    rankings = recommender.recommend([walk[:-1] for walk in walks], size)
    for walk, answer, ranking in zip(walks, answers, rankings, strict=True):
        yield from render(answer)
        target = next(item for item in ranking.items if item.item_id == walk[-1])
        yield f"The reader clicked {target.title} next, which has rank {target.rank} of {size:,}."
        yield ""
