"""`hiersrec train DIR --out RUN`: a dataset folder and a recipe -> a run folder."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.api import processes
from hiersrec.cli import printing
from hiersrec.errors import DEFAULT_RECIPE


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"Name of a recipe (see `hiersrec list recipes`), or a .toml file. Default: {DEFAULT_RECIPE}, or "
            "sampled where that would take over an hour an epoch; with --init-from the recipe of that run, with "
            "--resume the recipe of the stopped training."
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
            help="A run on the same dataset folder whose predictions share in the target; repeat for more. The same "
            "as --set training.teachers=[...].",
            metavar="RUN",
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="Log losses and metrics with a tracker: csv, tensorboard, mlflow.", metavar="NAME[=TARGET]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the same as --set training.seed=SEED.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a stopped training.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older run, or start over.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
) -> None:
    """Train a recipe on a dataset folder."""
    try:
        trained = hiersrec.train(
            folder,
            recipe,
            out=out,
            overrides=set_ or [],
            init_from=init_from,
            teachers=teacher or [],
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            log=log or [],
        )
    except KeyboardInterrupt:
        from hiersrec.api.train import can_resume  # needs packages that an install for serving lacks

        if not can_resume(out):
            raise printing.stopped(None) from None
        again = [*processes.launch_command(), "train", str(folder), "--out", str(out)]
        again += [] if recipe is None else ["--recipe", recipe]
        again += [word for override in set_ or [] for word in ("--set", override)]
        again += [word for run in teacher or [] for word in ("--teacher", str(run))]
        again += [word for tracker in log or [] for word in ("--log", tracker)]
        again += [] if seed is None else ["--seed", str(seed)]
        raise printing.stopped([*again, "--resume"]) from None
    if processes.is_first():
        printing.result(trained.document, json, f"Run folder: {out}", f"Next: hiersrec evaluate {out}")
