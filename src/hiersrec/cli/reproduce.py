"""`hiersrec reproduce NAME --dataset NAME --out DIR`: a table or figure of the paper, and its runs."""

import shlex
import sys
from json import loads
from pathlib import Path
from typing import Annotated

import typer

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
    from hiersrec.reproduction._bench import open_bench
    from hiersrec.reproduction._reproduce import members, reproduce
    from hiersrec.training.progress import ProgressBar
    from hiersrec.writing import tables

    names = members(name)
    flags = {"--dataset": dataset, "--source": source, "--data": data, "--out": out, "--seeds": seeds}
    words = [word for flag, value in flags.items() if value is not None for word in (flag, str(value))]
    again = ["hiersrec", "reproduce", name, *words, "--budget", budget]
    bar = ProgressBar(printing.console(sys.stderr))
    documents, files = {}, []
    try:
        bench = open_bench(dataset, source, data, out, seeds, budget, shlex.join(again), bar)
        for member, output, written in reproduce(bench, names):
            bar.end()
            files += written
            if json:
                documents[member] = loads((out / f"{member}.json").read_text(encoding="utf-8"))
            else:
                printing.show(tables.rich(output.table), "")
    except KeyboardInterrupt:
        bar.end()
        raise printing.stopped(again) from None
    printing.result(documents, json, f"Written to {out}: {', '.join(files)}")
