"""`hiersrec evaluate RUN`: a run folder -> metrics.json, ranks.parquet and tables."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import options, printing
from hiersrec.writing import figures, tables


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train.", metavar="RUN")],
    data: Annotated[Path | None, typer.Option(help="The dataset folder, if it has moved.", metavar="DIR")] = None,
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
    k: Annotated[
        list[str] | None, typer.Option("--k", help="Length of the lists, or several [default: 20].", metavar="K,...")
    ] = None,
    metrics: Annotated[list[str] | None, options.names("Further metrics (`hiersrec list metrics`).")] = None,
    last_only: Annotated[bool, typer.Option("--last-only", help="Only the last item of a session is a target.")] = (
        False
    ),
    exclude_seen: Annotated[bool, typer.Option("--exclude-seen", help="Items of the session are not listed.")] = False,
    candidates: Annotated[
        str, typer.Option(help="Items to rank: all, category (those of the likeliest categories), random (as many).")
    ] = "all",
    top: options.Top = None,
    mass: options.Mass = None,
    share: Annotated[
        float | None,
        typer.Option(help="Choose --top on validation: at most this share of the catalogue, such as 0.04."),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(help="Choose --top on validation: at least this part of the full MRR, such as 0.995."),
    ] = None,
    promise: options.Promise = None,
    reliability: Annotated[
        Path | None,
        typer.Option(help="Write reliability.png and .svg here: how often the likeliest is right.", metavar="DIR"),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the whole report as one page, with pictures.", metavar="FILE")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics file.")] = False,
) -> None:
    """Evaluate a run on the test sessions."""
    if reliability is not None or html is not None:
        figures.figure(1, 1)  # fail before the work if matplotlib is missing, or the file can't be written
    if html is not None:
        tables.file(html)
    report = hiersrec.Run.open(run).evaluate(
        split,
        data=data,
        k=options.wholes("k", k) or 20,
        metrics=options.once("metrics", metrics) or (),
        last_only=last_only,
        exclude_seen=exclude_seen,
        candidates=candidates,
        top=top,
        mass=mass,
        share=share,
        keep=keep,
        promise=promise,
    )
    files = ", ".join(report.document["files"].values())
    news = [f"Written to {run}: {files}"]
    if reliability is not None:
        news.append(
            f"Written to {reliability}: {', '.join(path.name for path in report.save_reliability(reliability))}"
        )
    if html is not None:
        news.append(f"Written: {report.save_html(html)}")
    printing.result(report.to_dict(), json, *report.parts(), *news)
