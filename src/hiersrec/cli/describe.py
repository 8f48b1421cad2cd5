"""`hiersrec describe DIR`: the statistics of a dataset folder, and the memory that training on it needs."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="The recipe whose memory is estimated, by name or as a .toml file. Default: the one that train takes."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the recipe.", metavar="KEY=VALUE")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print dataset.json, and the memory in bytes.")] = False,
) -> None:
    """Show the statistics of a dataset folder, and estimate the memory for training."""
    from hiersrec.api.describe import statistics_table

    dataset = hiersrec.Dataset.open(folder)
    if not json:
        printing.show(statistics_table(dataset.document))  # first, as the recipe may be refused
    description = hiersrec.describe(dataset, recipe, set_ or [])
    _, *memory = description.parts()
    printing.result(description.to_dict(), json, *memory)
