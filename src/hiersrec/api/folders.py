"""Folders that functions of the API take and make: those of objects, and temporary ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec import arguments
from hiersrec.errors import BadInput, repr_of
from hiersrec.store.dataset import Dataset

if TYPE_CHECKING:
    from hiersrec.api.run import Run


def folder_of(dataset: "Dataset | str | Path", name: str = "dataset") -> Path:
    """The folder of a dataset, or of the path of one. Raises BadInput for anything else."""
    if isinstance(dataset, Dataset):
        return dataset.folder
    return _path(name, "a dataset", dataset)


def run_folder_of(run: "Run | str | Path", name: str = "run") -> Path:
    """The folder of a run, or of the path of one. Raises BadInput for anything else."""
    from hiersrec.api.run import Run

    if isinstance(run, Run):
        return run.folder
    return _path(name, "a run", run)


def _path(name: str, kind: str, value: object) -> Path:
    if not arguments.PATH.fits(value):
        raise BadInput(f"{name} must be {kind} or the path of its folder, got {repr_of(value)}.")
    return arguments.path(**{name: value})
