"""`hiersrec demo`: all steps once, on the dataset that comes with the package; --serve ends with the web page."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing


def command(
    out: Annotated[
        Path, typer.Option(help="Folder for the dataset and the runs; older ones there are replaced.")
    ] = Path("demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the web page; a finished demo in the folder is reused.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 picks a free one.")] = 8000,
) -> None:
    """Prepare, train, evaluate and recommend once, on Wikispeedia."""
    from hiersrec.demonstration import bundle_of, is_done

    if not (serve and is_done(out)):
        printing.show(*hiersrec.demo(out))
    if serve:
        hiersrec.serve(bundle_of(out), port=port)
