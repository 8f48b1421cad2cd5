"""What all tables and figures of one call share: the dataset, the folder of the runs, the budget."""

from dataclasses import dataclass
from pathlib import Path

from hiersrec import registry
from hiersrec.errors import BadInput, UnknownName, did_you_mean
from hiersrec.preparation.pipeline import prepare
from hiersrec.store.dataset import Dataset
from hiersrec.training.progress import ProgressReporter

BUDGETS: dict[str, dict[str, int]] = {"full": {}, "small": {"epochs": 3}}
"""Budget -> upper bounds of settings of [training]; recipes below them stay unchanged."""
BUDGET_NOTES = {
    "full": "the recipes unchanged",
    "small": "at most 3 epochs: a smoke test, not a result",
}


@dataclass(frozen=True)
class Bench:
    """One call of `hiersrec reproduce`."""

    dataset: Dataset
    out: Path
    seeds: int
    """Seeds 0 .. seeds - 1 of every recipe that is trained."""
    budget: str
    command: str
    """The command line that makes the same again."""
    reporter: ProgressReporter


def open_bench(
    dataset: str | None,
    source: Path | None,
    data: Path | None,
    out: Path,
    seeds: int,
    budget: str,
    command: str,
    reporter: ProgressReporter,
) -> Bench:
    """Check the options, then open or prepare the dataset (see `_open_dataset`)."""
    if seeds < 1:
        raise BadInput(f"--seeds must be at least 1, got {seeds}.")
    if budget not in BUDGETS:
        raise UnknownName(f"There is no budget '{budget}'. {did_you_mean(budget, BUDGETS)}")
    return Bench(_open_dataset(dataset, source, data, out, reporter), out, seeds, budget, command, reporter)


def _open_dataset(
    name: str | None, source: Path | None, data: Path | None, out: Path, reporter: ProgressReporter
) -> Dataset:
    """The dataset folder `data`, or OUT/data/NAME, prepared from the public files in `source` if it doesn't exist.

    Raises BadInput and UnknownName for options that exclude each other, and what `prepare` and `Dataset.open` raise.
    """
    if data is not None:
        if source is not None:
            raise BadInput(f"--data {data} is already prepared, so --source {source} has no effect. Give only one.")
        dataset = Dataset.open(data)
        if name not in (None, dataset.name):
            raise BadInput(f"{data} holds the dataset {dataset.name}, not {name}. Leave out --dataset or --data.")
        return dataset
    if name is None:
        raise BadInput("No dataset is given. Name a public one with --dataset, or a dataset folder with --data.")
    module = registry.load("datasets", name)
    folder = out / "data" / name
    if not folder.exists():
        if source is None and not hasattr(module, "EMBEDDED"):
            facts = module.SOURCE
            raise BadInput(
                f"The dataset {name} is not part of hiersrec ({facts.licence}). Get its files from {facts.url} and "
                "give their folder with --source, or give a dataset folder with --data."
            )
        prepare(module.source(source), folder, module.SETTINGS, say=reporter.say)
    return Dataset.open(folder)
