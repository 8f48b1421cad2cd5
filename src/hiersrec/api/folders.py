"""Folders that functions of the API take and make: those of objects, and temporary ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec import arguments
from hiersrec.errors import BadFolder, BadInput, repr_of
from hiersrec.machine import failure_of
from hiersrec.store.dataset import Dataset
from hiersrec.store.temporary_folder import HELD, TemporaryFolder

if TYPE_CHECKING:
    from hiersrec.api.run import Run


class Target:
    """Where a function writes: the folder that its caller names, or one in a temporary folder."""

    def __init__(self, out: str | Path | None, name: str) -> None:
        self.temporary = TemporaryFolder() if out is None else None
        self.path = arguments.path(out=out) if self.temporary is None else self.temporary.path / name

    def held_by(self, owner: object) -> None:
        """Keep a temporary folder as long as `owner` lives."""
        if self.temporary is not None:
            self.temporary.held_by(owner)


@contextmanager
def target(out: str | Path | None, name: str) -> Iterator[Target]:
    """Where to write; a temporary folder goes if the function fails.

    Raises BadFolder where the system refuses to read or write a file.
    """
    folder = Target(out, name)
    try:
        yield folder
    except BaseException as error:
        if folder.temporary is not None:
            folder.temporary.remove()
        if (failure := failure_of(error)) is not None:
            raise failure from error
        if isinstance(error, OSError) and error.filename is not None:
            raise BadFolder(
                f"{error.filename} can't be read or written: {error.strerror}. Choose another folder."
            ) from error
        raise


def share(owner: object, other: object) -> None:
    """Let `other` keep the temporary folder of `owner` too, if it has one."""
    temporary = vars(owner).get(HELD)
    if isinstance(temporary, TemporaryFolder):
        temporary.held_by(other)


def folder_of(dataset: "Dataset | str | Path", name: str = "dataset") -> Path:
    """The folder of a dataset, or of the path of one. Raises BadInput for anything else."""
    if isinstance(dataset, Dataset):
        return dataset.folder
    return _path(name, "a dataset", dataset)


def dataset_of(dataset: "Dataset | str | Path") -> Dataset:
    """A dataset, opened if it is a path. Raises BadInput for anything else, BadFolder for another folder."""
    return dataset if isinstance(dataset, Dataset) else Dataset.open(folder_of(dataset))


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
