"""`hiersrec train DIR --out RUN`: a dataset folder and a recipe -> a run folder."""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing
from hiersrec.errors import DEFAULT_RECIPE


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"Name of a recipe (see `hiersrec list recipes`), or a .toml file. Default: {DEFAULT_RECIPE}; with "
            "--init-from the recipe of that run, with --resume the recipe of the stopped training."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Start from the weights of this run, trained on older data.", metavar="RUN"),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            help="A run on the same dataset folder whose predictions are soft targets; repeat for more. The same "
            "as --set training.teachers=[...].",
            metavar="RUN",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the same as --set training.seed=SEED.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a stopped training.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older run folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
) -> None:
    """Train a recipe on a dataset folder."""
    from hiersrec.build import RECIPE
    from hiersrec.recipe_file import find_recipe, read_recipe
    from hiersrec.store.dataset import Dataset
    from hiersrec.training.distributed import launch_command, process_group
    from hiersrec.training.fit import train
    from hiersrec.training.progress import ProgressBar
    from hiersrec.training.warm_start.transfer import origin_recipe

    overrides = [*(set_ or []), *([] if seed is None else [f"training.seed={seed}"])]
    if teacher:
        overrides.append(f"training.teachers={dumps([str(run) for run in teacher], ensure_ascii=False)}")
    bar = ProgressBar(printing.console(sys.stderr))
    try:
        with process_group(report=lambda error: printing.say(f"Error: {error}")) as processes:
            with processes.synchronized():
                dataset = Dataset.open(folder)
                if recipe is None and resume and (out / RECIPE).is_file():
                    path = out / RECIPE
                elif recipe is None and init_from is not None:
                    path = origin_recipe(init_from)
                else:
                    path = find_recipe(recipe or DEFAULT_RECIPE, dataset.name)
                chosen = read_recipe(path, overrides)
            document = train(
                dataset,
                chosen,
                out,
                bar,
                init_from=init_from,
                resume=resume,
                overwrite=overwrite,
                processes=processes,
            )
    except KeyboardInterrupt:
        bar.end()
        again = [*launch_command(), "train", str(folder), "--out", str(out)]
        again += [] if recipe is None else ["--recipe", recipe]
        again += [word for override in overrides for word in ("--set", override)]
        raise printing.stopped([*again, "--resume"]) from None
    if processes.first:
        printing.result(document, json, f"Run folder: {out}", f"Next: hiersrec evaluate {out}")
