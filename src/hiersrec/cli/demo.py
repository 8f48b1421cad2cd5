"""`hiersrec demo`: the whole way once, on the dataset that comes with the package."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing


def command(
    out: Annotated[
        Path, typer.Option(help="Folder for the dataset and the runs; older ones in it are replaced.")
    ] = Path("demo"),
) -> None:
    """Do all of it once, on Wikispeedia."""
    from hiersrec.demo import demo
    from hiersrec.training.watch import Bar

    printing.show(*demo(out, Bar(printing.console(sys.stderr))))
