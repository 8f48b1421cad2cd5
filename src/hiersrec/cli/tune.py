"""`hiersrec tune DIR --out DIR`: a recipe's [search] -> the settings that are best on the validation sessions."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing
from hiersrec.errors import DEFAULT_RECIPE


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The folder of the search; an unfinished one continues.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe with a [search], or a .toml file.")] = DEFAULT_RECIPE,
    trials: Annotated[int, typer.Option(help="Trials in total; the first is the recipe unchanged.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    metric: Annotated[
        str, typer.Option(help="What is best on validation: ndcg@10, category_1/mrr@20, ...", metavar="NAME@K")
    ] = "mrr@20",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of the recipe, and fix it there.", metavar="KEY=VALUE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print trials.json.")] = False,
) -> None:
    """Search the settings of a recipe, on validation sessions only."""
    try:
        search = hiersrec.tune(folder, recipe, out=out, trials=trials, seed=seed, metric=metric, overrides=set_ or [])
    except KeyboardInterrupt:
        again = ["hiersrec", "tune", str(folder), "--out", str(out), "--recipe", recipe]
        again += ["--trials", str(trials), "--seed", str(seed)]
        again += [] if metric == "mrr@20" else ["--metric", metric]
        again += [word for override in set_ or [] for word in ("--set", override)]
        raise printing.stopped(again) from None
    best = shlex.join(["hiersrec", "train", str(folder), "--recipe", str(search.best), "--out", "RUN"])
    printing.result(search.to_dict(), json, *search.parts(), f"Next: {best}")
