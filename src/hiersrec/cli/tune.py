"""`hiersrec tune DIR --out DIR`: a recipe's [search] -> the settings that are best on the validation sessions."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from hiersrec.cli import printing
from hiersrec.errors import DEFAULT_RECIPE


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The folder of the search; an unfinished one continues.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe with a [search], or a .toml file.")] = DEFAULT_RECIPE,
    trials: Annotated[int, typer.Option(help="Trials in total; the first is the recipe unchanged.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the recipe, and fix it there.", metavar="KEY=VALUE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print trials.json.")] = False,
) -> None:
    """Search the settings of a recipe, on validation sessions only."""
    from hiersrec.recipe_file import find_recipe
    from hiersrec.store.dataset import Dataset
    from hiersrec.training.progress import ProgressBar
    from hiersrec.tuning.study import tune

    dataset = Dataset.open(folder)
    bar = ProgressBar(printing.console(sys.stderr))
    try:
        document = tune(dataset, find_recipe(recipe, dataset.name), set_ or [], out, bar, trials=trials, seed=seed)
    except KeyboardInterrupt:
        bar.end()
        again = ["hiersrec", "tune", str(folder), "--out", str(out), "--recipe", recipe]
        again += ["--trials", str(trials), "--seed", str(seed)]
        again += [word for override in set_ or [] for word in ("--set", override)]
        raise printing.stopped(again) from None
    best = shlex.join(["hiersrec", "train", str(folder), "--recipe", str(out / "best.toml"), "--out", "RUN"])
    printing.result(document, json, *tables(document), f"Next: {best}")


def tables(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The trials, best first, those that failed, and what the search gained."""
    from hiersrec.tuning.progress import shown

    study, trials = document["study"], document["trials"]
    searched = list(study["search"])
    title = f"{study['recipe']['name']} on {study['dataset']['name']}, validation sessions"
    finished = sorted((t for t in trials if t["state"] == "finished"), key=lambda trial: -trial["valid"]["mrr@20"])
    rows = [
        [
            str(trial["number"]),
            *(shown(trial["settings"][name]) for name in searched),
            *(f"{trial['valid'][metric]:.2%}" for metric in ("mrr@20", "hits@20")),
            str(trial["epochs"]),
            f"{trial['seconds']:,.0f}",
        ]
        for trial in finished
    ]
    headings = [name.replace(".", ".\n") for name in searched]  # long names would leave no room for the numbers
    yield printing.table(title, ["trial", *headings, "mrr@20", "hits@20", "epochs", "seconds"], rows)
    for trial in trials:
        if trial["state"] == "failed":
            yield f"Trial {trial['number']} failed: {trial['reason']}"
    best = finished[0]["valid"]["mrr@20"]
    if document["gain"] is None:
        yield f"Trial {document['best']} is best, mrr@20 {best:.2%}; the unchanged recipe, trial 1, failed."
    elif document["best"] == 1:
        yield f"The unchanged recipe, trial 1, is best: mrr@20 {best:.2%}."
    else:
        before = best - document["gain"]["mrr@20"]
        yield f"Trial {document['best']} is best: mrr@20 {best:.2%}; the unchanged recipe, trial 1, has {before:.2%}."
