"""`reproduce(name, ...)`: a table or figure of the paper, and the runs behind it."""

from collections.abc import Iterator
from json import loads
from pathlib import Path
from typing import Any, NamedTuple

from hiersrec.api.reporting import reporting
from hiersrec.errors import named_extras
from hiersrec.writing.tables import Table


class Reproduced(NamedTuple):
    """A table or figure, and the files that were written."""

    name: str
    table: Table
    document: dict[str, Any]
    files: list[str]


def reproduce(
    name: str = "all",
    *,
    out: str | Path,
    dataset: str | None = None,
    source: str | Path | None = None,
    data: str | Path | None = None,
    seeds: int = 1,
    budget: str = "full",
    command: str = "hiersrec.reproduce(...)",
    progress: bool = True,
) -> Iterator[Reproduced]:
    """Make tables and figures of the paper, and train the runs behind them; yields each as it is written.

    Args:
        name: "table2", "table3", "table4a", "table4b", "figure2a", "figure2b", or "all".
        out: Folder for tables, figures, runs and data; what is there is reused.
        dataset: A public dataset, see `members("datasets")`.
        source: Folder of its files, if they are not part of hiersrec.
        data: A dataset folder in place of both.
        seeds: Runs of every recipe that is trained.
        budget: "full": the recipes unchanged; "small": at most 3 epochs.
        command: What the files say they were made by.
        progress: Show a bar on standard error.

    Raises:
        UnknownName: There is no such table, dataset or budget.
        BadInput: The arguments exclude each other, or the dataset has no categories.
        MissingExtra: Matplotlib is not installed, which all but table 2 need.
        BadFolder: `out` has runs with other settings.

    """
    with named_extras():
        from hiersrec.reproduction._bench import open_bench
        from hiersrec.reproduction._reproduce import members
        from hiersrec.reproduction._reproduce import reproduce as make

    names, folder = members(name), Path(out)
    source_folder, data_folder = (None if path is None else Path(path) for path in (source, data))
    with reporting(progress) as reporter:
        bench = open_bench(dataset, source_folder, data_folder, folder, seeds, budget, command, reporter)
        for member, output, files in make(bench, names):
            reporter.end()
            document = loads((folder / f"{member}.json").read_text(encoding="utf-8"))
            yield Reproduced(member, output.table, document, files)
