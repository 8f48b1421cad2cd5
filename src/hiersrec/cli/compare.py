"""`hiersrec compare RUN RUN ...`: evaluated runs -> one table of means, differences and tests."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import options, printing
from hiersrec.writing import figures


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Evaluated run folders. The first, with its other seeds, is ours.", metavar="RUN RUN..."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write compare.md, .tex, .json, .png and .svg here.", metavar="DIR")
    ] = None,
    metrics: Annotated[
        list[str] | None, options.names("mrr@20, category_1/hits@20, ... [default: mrr@20,hits@20,recall@20].")
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the test sessions.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the document.")] = False,
) -> None:
    """Compare runs session by session; runs of one recipe that differ only in their seed count as one system."""
    if out is not None:
        figures.figure(1, 1)  # fail before the work if matplotlib is missing
    comparison = hiersrec.compare(runs, metrics=options.once("metrics", metrics), bootstrap=bootstrap, seed=seed)
    news = []
    if out is not None:
        news.append(f"Written to {out}: {', '.join(path.name for path in comparison.save(out))}")
    printing.result(comparison.to_dict(), json, *comparison.parts(), *news)
