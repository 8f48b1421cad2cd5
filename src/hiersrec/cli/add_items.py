"""`hiersrec add-items RUN --items FILE --out RUN2`: a run folder and new items -> a run folder that knows them too."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing, split_list


def command(
    run: Annotated[
        Path,
        typer.Argument(
            help="A run folder whose model scores items by metadata, as the default recipe's.", metavar="RUN"
        ),
    ],
    items: Annotated[Path, typer.Option(help="New items, with the same columns as for `prepare --items`.")],
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    vectors: Annotated[
        str | None, typer.Option(help="Vector files, with one row per row of the items.", metavar="NAME=FILE.npy,...")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older run folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
) -> None:
    """Add new items to a trained run, without retraining."""
    larger = hiersrec.Run.open(run).add_items(items, out=out, vectors=split_list(vectors or ""), overwrite=overwrite)
    printing.result(larger.document, json, f"Run folder: {out}", f"Next: hiersrec evaluate {out}")
