"""`hiersrec demo`: the whole way once, on the dataset that comes with the package; with --serve to the page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing


def command(
    out: Annotated[
        Path, typer.Option(help="Folder for the dataset and the runs; older ones in it are replaced.")
    ] = Path("demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Then open the page; an earlier demo in the folder is used as it is.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = 8000,
) -> None:
    """Do all of it once, on Wikispeedia."""
    from hiersrec.demo import bundle_of, demo, is_done
    from hiersrec.training.callbacks import ProgressBar

    callback = ProgressBar(printing.console(sys.stderr))
    if not (serve and is_done(out)):
        printing.show(*demo(out, callback))
    if serve:
        from hiersrec.http.server import Service
        from hiersrec.http.server import serve as run

        run(Service(bundle_of(out, callback)), port=port)
