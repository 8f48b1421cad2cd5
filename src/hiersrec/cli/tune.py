"""`hiersrec tune DIR --out DIR`: a recipe's [search] -> the settings that are best on the validation sessions."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from hiersrec.cli import DEFAULT_RECIPE, printing


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The folder of the search; one that lies there goes on.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe with a [search], or a .toml file.")] = DEFAULT_RECIPE,
    trials: Annotated[int, typer.Option(help="Trials in all; the first is the recipe as it stands.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the recipe, and hold it there.", metavar="KEY=VALUE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print trials.json.")] = False,
) -> None:
    """Search the settings of a recipe, on validation sessions only."""
    from hiersrec.recipe_file import find_recipe
    from hiersrec.store.dataset import Dataset
    from hiersrec.training.callbacks import ProgressBar
    from hiersrec.tuning.study import tune

    dataset = Dataset.open(folder)
    bar = ProgressBar(printing.console(sys.stderr))
    try:
        found = tune(dataset, find_recipe(recipe, dataset.name), set_ or [], out, bar, trials=trials, seed=seed)
    except KeyboardInterrupt:
        bar.end()
        again = ["hiersrec", "tune", str(folder), "--out", str(out), "--recipe", recipe]
        again += ["--trials", str(trials), "--seed", str(seed)]
        again += [word for override in set_ or [] for word in ("--set", override)]
        printing.say(f"Stopped. Go on with: {shlex.join(again)}")
        raise typer.Exit(130) from None
    if json:
        printing.show_json(found)
        return
    printing.show(*tables(found))
    best = shlex.quote(str(out / "best.toml"))
    printing.show(f"Next: hiersrec train {shlex.quote(str(folder))} --recipe {best} --out RUN")


def tables(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The trials, best first, those that failed, and what the search gained."""
    from hiersrec.tuning.progress import shown

    study, trials = document["study"], document["trials"]
    places = list(study["search"])
    title = f"{study['recipe']['name']} on {study['dataset']['name']}, validation sessions"
    finished = sorted((one for one in trials if one["state"] == "finished"), key=lambda one: -one["valid"]["mrr@20"])
    rows = [
        [
            str(one["number"]),
            *(shown(one["settings"][place]) for place in places),
            *(f"{one['valid'][name]:.2%}" for name in ("mrr@20", "hits@20")),
            str(one["epochs"]),
            f"{one['seconds']:,.0f}",
        ]
        for one in finished
    ]
    headings = [place.replace(".", ".\n") for place in places]  # long names would leave no room for the numbers
    yield printing.table(title, ["trial", *headings, "mrr@20", "hits@20", "epochs", "seconds"], rows)
    for one in trials:
        if one["state"] == "failed":
            yield f"Trial {one['number']} failed: {one['reason']}"
    best = finished[0]["valid"]["mrr@20"]
    if document["gain"] is None:
        yield f"Trial {document['best']} is best, mrr@20 {best:.2%}; the recipe as it stands, trial 1, failed."
    elif document["best"] == 1:
        yield f"The recipe as it stands, trial 1, is best: mrr@20 {best:.2%}."
    else:
        before = best - document["gain"]["mrr@20"]
        yield (
            f"Trial {document['best']} is best: mrr@20 {best:.2%}; the recipe as it stands, trial 1, has {before:.2%}."
        )
