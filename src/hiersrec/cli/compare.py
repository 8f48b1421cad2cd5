"""`hiersrec compare RUN RUN ...`: evaluated runs -> one table of means, differences and tests."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Evaluated run folders. The first, with its other seeds, is ours.", metavar="RUN RUN..."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write compare.md, .tex, .json, .png and .svg here.", metavar="DIR")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="mrr@20, category_1/hits@20, ... Repeat for more.", metavar="NAME")
    ] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the test sessions.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the document.")] = False,
) -> None:
    """Compare runs session by session; runs of one recipe that differ only in their seed count as one system."""
    from hiersrec.comparison import render
    from hiersrec.comparison.compare import ComparisonOptions, compare
    from hiersrec.training.progress import ProgressBar, progress_stage
    from hiersrec.writing import figures, tables

    options = ComparisonOptions(metrics=tuple(metric or ComparisonOptions().metrics), bootstrap=bootstrap, seed=seed)
    if out is not None:
        figures.figure(1, 1)  # fail before the work if matplotlib is missing
    with progress_stage(ProgressBar(printing.console(sys.stderr)), "resample") as progress:
        document = compare(runs, options, progress)
    table, news = render.table(document), []
    if out is not None:
        paths = tables.write(table, document, out, "compare") + figures.save(render.picture(document), out, "compare")
        news = [f"Written to {out}: {', '.join(path.name for path in paths)}"]
    printing.result(document, json, tables.rich(table), *news)
