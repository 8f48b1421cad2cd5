"""`hiersrec export RUN --out BUNDLE`: a run folder -> a bundle that serves without PyTorch."""

from json import loads
from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec import Candidates
from hiersrec.cli import options, printing


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, made by train.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="The bundle to make.")],
    data: Annotated[
        Path | None, typer.Option(help="The dataset folder to check the export on, if it has moved.", metavar="DIR")
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="By default, rank only the items of this many best categories per level.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="By default, rank only the best categories that hold this share of the items."),
    ] = None,
    mass: Annotated[
        float | None,
        typer.Option(help="By default, rank only the likeliest paths of the tree that hold this probability."),
    ] = None,
    promise: options.Promise = None,
    slabs: Annotated[
        str, typer.Option(help="Type of the vectors that are read first: float32, or int8 (a quarter as much to read).")
    ] = "float32",
    int8: Annotated[bool, typer.Option("--int8", help="Quantize the encoder's weights to int8.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an older bundle.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print bundle.json.")] = False,
) -> None:
    """Make a bundle of a trained run, for serving without PyTorch."""
    chosen = Candidates()
    if any(given is not None for given in (top, share, mass)):
        chosen = Candidates(policy="category", top=top, share=share, mass=mass)
    hiersrec.Run.open(run).export(
        out, data=data, candidates=chosen, promise=promise, slabs=slabs, int8=int8, overwrite=overwrite
    )
    document = loads((out / "bundle.json").read_text(encoding="utf-8"))
    printing.result(document, json, f"Bundle: {out}", f'Next: hiersrec recommend {out} --session "..." --explain')
