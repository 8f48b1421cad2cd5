"""`hiersrec describe DIR`: the statistics of a dataset folder, again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiersrec.cli import printing


def command(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, made by prepare.", metavar="DIR")],
    json: Annotated[bool, typer.Option("--json", help="Print dataset.json.")] = False,
) -> None:
    """Show the statistics of a dataset folder."""
    from hiersrec.store.dataset import Dataset

    show_dataset(Dataset.open(folder).document, json)


def show_dataset(document: dict[str, Any], as_json: bool) -> None:
    """Print a dataset's document: its statistics (the paper's table 2), and the counts around each filter."""
    from hiersrec.prepare.statistics import table

    if as_json:
        printing.show_json(document)
        return
    printing.show(printing.table(f"Dataset {document['name']}", ["statistic", "value"], table(document), right=False))
