"""`hiersrec train DIR --out RUN`: a dataset folder and a recipe -> a run folder."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe (see `hiersrec list recipes`), or a .toml file.")] = (
        "hiersrec"
    ),
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same as --set training.seed=SEED.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped training left off.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older run folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
) -> None:
    """Train a recipe on a dataset folder."""
    from hiersrec.config import find_recipe, read_recipe
    from hiersrec.store.dataset import Dataset
    from hiersrec.store.folder import open_seal
    from hiersrec.training.fit import train
    from hiersrec.training.watch import Bar

    dataset = Dataset.open(folder)
    overrides = [*(set_ or []), *([] if seed is None else [f"training.seed={seed}"])]
    chosen = read_recipe(find_recipe(recipe, dataset.name), overrides)
    bar = Bar(printing.console(sys.stderr))
    try:
        train(dataset, chosen, out, bar, resume=resume, overwrite=overwrite)
    except KeyboardInterrupt:
        bar.end()
        again = ["hiersrec", "train", str(folder), "--out", str(out), "--recipe", recipe]
        again += [word for override in overrides for word in ("--set", override)]
        printing.say(f"Stopped. Go on with: {shlex.join(again)} --resume")
        raise typer.Exit(130) from None
    if json:
        printing.show_json(open_seal(out, "run"))
        return
    printing.show(f"Run folder: {out}", f"Next: hiersrec evaluate {out}")
