"""`hiersrec reproduce NAME --dataset NAME --out DIR`: a table or figure of the paper, with all runs that it needs."""

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
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, runs and data; what is there is used again.")],
    dataset: Annotated[str | None, typer.Option(help="A public dataset (`hiersrec list datasets`).")] = None,
    source: Annotated[
        Path | None, typer.Option(help="Folder of the public dataset's files, if they are not part of hiersrec.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="A dataset folder, made by prepare.", metavar="DIR")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every recipe that is trained.")] = 1,
    budget: Annotated[str, typer.Option(help="full: the recipes as they are; small: at most 3 epochs.")] = "full",
    json: Annotated[bool, typer.Option("--json", help="Print NAME.json of each.")] = False,
) -> None:
    """Make tables and figures of the paper, with the runs behind them."""
    from hiersrec.reproduce._bench import open_bench
    from hiersrec.reproduce._reproduce import members, reproduce
    from hiersrec.training.callbacks import ProgressBar
    from hiersrec.writing import tables

    names = members(name)
    words = {"--dataset": dataset, "--source": source, "--data": data, "--out": out}
    again = ["hiersrec", "reproduce", name, *(w for flag, one in words.items() if one for w in (flag, str(one)))]
    again = [*again, "--seeds", str(seeds), "--budget", budget]
    bar = ProgressBar(printing.console(sys.stderr))
    documents, files = {}, []
    try:
        bench = open_bench(dataset, source, data, out, seeds, budget, shlex.join(again), bar)
        for made, output, written in reproduce(bench, names):
            bar.end()
            files += written
            if json:
                documents[made] = loads((out / f"{made}.json").read_text(encoding="utf-8"))
            else:
                printing.show(tables.rich(output.table), "")
    except KeyboardInterrupt:
        bar.end()
        printing.say(f"Stopped. Go on with: {shlex.join(again)}")
        raise typer.Exit(130) from None
    if json:
        printing.show_json(documents)
        return
    printing.show(f"Written to {out}: {', '.join(files)}")
