"""`hiersrec reproduce NAME --dataset NAME --out DIR`: a table or figure of the paper, and its runs."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing


def command(
    name: Annotated[
        str, typer.Argument(help="table2, table3, table4a, table4b, figure2a, figure2b, or all.", metavar="NAME")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, runs and data; reuses what is there.")],
    dataset: Annotated[str | None, typer.Option(help="A public dataset (`hiersrec list datasets`).")] = None,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the public dataset's files, if they are not part of hiersrec.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="A dataset folder, made by prepare.", metavar="DIR")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every recipe that is trained.")] = 1,
    budget: Annotated[str, typer.Option(help="full: the recipes unchanged; small: at most 3 epochs.")] = "full",
    json: Annotated[bool, typer.Option("--json", help="Print each NAME.json.")] = False,
) -> None:
    """Make tables and figures of the paper, with the runs behind them."""
    flags = {"--dataset": dataset, "--source": source, "--data": data, "--out": out, "--seeds": seeds}
    words = [word for flag, value in flags.items() if value is not None for word in (flag, str(value))]
    again = ["hiersrec", "reproduce", name, *words, "--budget", budget]
    documents, files = {}, []
    try:
        made = hiersrec.reproduce(
            name,
            out=out,
            dataset=dataset,
            source=source,
            data=data,
            seeds=seeds,
            budget=budget,
            command=shlex.join(again),
        )
        for output in made:
            files += output.files
            if json:
                documents[output.name] = output.document
            else:
                printing.show(output.table, "")
    except KeyboardInterrupt:
        raise printing.stopped(again) from None
    printing.result(documents, json, f"Written to {out}: {', '.join(files)}")
