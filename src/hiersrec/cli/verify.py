"""`hiersrec verify FOLDER`: is every file as it was written?"""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing


def command(
    folder: Annotated[
        Path, typer.Argument(help="Of a dataset, a run, a bundle or an unfinished training.", metavar="FOLDER")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the files and their bytes as JSON.")] = False,
) -> None:
    """Compare every file of a folder with its checksum; exits with 2 if one is damaged."""
    result = hiersrec.verify(folder)
    printing.result(result.to_dict(), json, *result.parts())
