"""The folder of a training: OUT itself, or OUT.training while a finished run is in OUT.

The run in OUT can be used until the new one is sealed, which then takes its place by two renames. A training that ends
by an error or Ctrl-C before its first checkpoint leaves no folder. A kill may leave

- a folder without recipe.toml: the training had not begun, and the next one removes it;
- a folder with recipe.toml and without run.json: an unfinished training, to be resumed;
- a sealed OUT.training: the next command puts it in place.

Therefore recipe.toml is written last where a training begins, and removed before the catalogue where one is given up.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiersrec.build import RECIPE, WEIGHTS
from hiersrec.config import Recipe
from hiersrec.errors import BadFolder, HiersrecError
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import SEALS, clean_up, only_writer, put_in_place, sha256, write_text
from hiersrec.store.partial_files import is_partial, remove_partial_files
from hiersrec.training.distributed import ProcessGroup
from hiersrec.training.unfinished import LAST, STATE, has_checkpoint, is_begun, is_sealed, replacement, to_resume
from hiersrec.training.warm_start import transfer

CATALOG = "catalog"
NOTHING = "There is no training to resume in {out}. Leave out --resume."
UNFINISHED = "{folder} holds an unfinished training. Continue with --resume, or start over with --overwrite."


@dataclass(frozen=True)
class RunFolder:
    """Where a training grows, and what it begins with."""

    out: Path
    """Where the finished run will be."""
    folder: Path
    """Where it grows."""
    resumes: bool = False
    """Whether an unfinished training is in `folder`, to be continued."""
    is_finished: bool = False
    """Whether the training to resume turned out to be finished."""

    @property
    def state(self) -> Path:
        return self.folder / STATE

    def begin(self, dataset: Dataset, recipe: Recipe, start: tuple[Trainable, dict[str, Any]] | None = None) -> None:
        """Write what a run holds from the start, unless the training is resumed; recipe.toml comes last.

        start: a model whose weights come from another run, and their origin.
        """
        if self.resumes:
            return
        for older in (replacement(self.out), self.folder):
            if _is_ours(older):
                give_up(older)
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(dataset.folder / CATALOG, self.folder / CATALOG)  # so that the run is enough for inference
        if start is not None:
            transfer.write_start(self.state, *start)
        write_text(self.folder / RECIPE, write_recipe(recipe))


@contextmanager
def run_folder(
    dataset: Dataset, out: Path, recipe: Recipe, processes: ProcessGroup, *, resume: bool, overwrite: bool
) -> Iterator[RunFolder]:
    """The folder for a training of `recipe`; afterwards the finished run is in `out`, or else what can be resumed.

    Of several processes the first decides and writes, and the others are told. Raises BadFolder if another process is
    writing `out`, or if it holds something else, a finished run, or an unfinished training while `resume` is not set.
    """
    with ExitStack() as stack:
        chosen = RunFolder(out, out)
        with processes.synchronized():
            if processes.first:
                chosen = stack.enter_context(_locked(dataset, out, write_recipe(recipe), resume, overwrite))
        told = json.dumps([str(chosen.folder), chosen.resumes, chosen.is_finished])
        folder, resumes, is_finished = json.loads(processes.gather_texts(told)[0])
        yield RunFolder(out, Path(folder), resumes, is_finished)
    with processes.synchronized():
        pass  # the others go on once the run is in `out`


@contextmanager
def _locked(dataset: Dataset, out: Path, recipe: str, resume: bool, overwrite: bool) -> Iterator[RunFolder]:
    if not resume:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(out)) from error
    elif not out.parent.is_dir():
        raise BadFolder(NOTHING.format(out=out))
    # A folder that is mounted may have a parent that is not ours: nothing can be locked or replaced there.
    with only_writer(out) if os.access(out.parent, os.W_OK) else nullcontext():
        clean_up(out)
        new = replacement(out)
        for folder in (out, new):
            _remove_leftovers(folder)
        if is_sealed(new) and (is_sealed(out) or not os.path.lexists(out)):
            put_in_place(new, out)
        chosen = _choose(dataset, out, recipe, resume, overwrite)
        was_empty = chosen.folder.is_dir() and not any(chosen.folder.iterdir())
        has_weights = (chosen.folder / WEIGHTS).is_file()  # of a damaged run; somebody may want them
        try:
            yield chosen
        except (Exception, KeyboardInterrupt):
            is_of_use = has_weights or has_checkpoint(chosen.folder) or is_sealed(chosen.folder)
            if chosen.folder.is_dir() and not is_of_use:
                give_up(chosen.folder)
                if was_empty:
                    chosen.folder.mkdir(exist_ok=True)
            raise
        finally:
            _remove_leftovers(chosen.folder)
            if is_sealed(chosen.folder) and chosen.folder != out:
                put_in_place(chosen.folder, out)


def check_begun_alike(place: RunFolder, init_from: Path | None) -> None:
    """Raise BadFolder if what goes on without --resume, having no checkpoint, began with weights of another run."""
    start = transfer.read_start(place.state)
    if (None if start is None else start["path"]) != (None if init_from is None else str(init_from.resolve())):
        raise BadFolder(UNFINISHED.format(folder=place.folder))


def _choose(dataset: Dataset, out: Path, recipe: str, resume: bool, overwrite: bool) -> RunFolder:
    new = to_resume(out)
    if new != out and resume:
        _check_same(dataset, new, recipe)
        return RunFolder(out, new, resumes=True)
    if is_sealed(out):
        return _choose_where_finished(dataset, out, recipe, resume, overwrite)
    if new != out and not overwrite:
        raise BadFolder(UNFINISHED.format(folder=new))
    if out.is_symlink() and not out.exists():
        raise BadFolder(f"{out} links to {out.readlink()}, which does not exist. Remove it, or choose another --out.")
    if not is_begun(out):
        if resume:
            raise BadFolder(NOTHING.format(out=out))
        if out.exists() and not _is_left_before_it_began(out):
            raise BadFolder(f"{out} exists and is no run folder. Choose another --out.")
        return RunFolder(out, out)
    if overwrite:
        if not _is_ours(out):  # a folder of somebody with a recipe in it
            raise BadFolder(f"{out} has a {RECIPE} but is no run folder, so --overwrite does not touch it.")
        return RunFolder(out, out)
    if not resume and (has_checkpoint(out) or (out / WEIGHTS).is_file() or not _is_same(dataset, out, recipe)):
        raise BadFolder(UNFINISHED.format(folder=out))
    _check_same(dataset, out, recipe)
    return RunFolder(out, out, resumes=True)


def _choose_where_finished(dataset: Dataset, out: Path, recipe: str, resume: bool, overwrite: bool) -> RunFolder:
    """A training that is resumed may have been finished, all but its end; otherwise only --overwrite replaces a run."""
    if resume and not overwrite and _is_same(dataset, out, recipe):
        return RunFolder(out, out, resumes=True, is_finished=True)
    new = replacement(out)
    if not overwrite:
        also = f" {UNFINISHED.format(folder=new)}" if is_begun(new) else ""
        raise BadFolder(f"{out} is a finished run. Choose another --out, or replace it with --overwrite.{also}")
    if _is_other(out):
        raise BadFolder(f"{out} has a {RECIPE} but is no run folder, so --overwrite does not touch it.")
    if os.path.ismount(out):
        raise BadFolder(f"{out} is a mounted disk, which can't be replaced. Choose a folder inside it as --out.")
    if new.exists() and not _is_ours(new):
        raise BadFolder(f"{new} exists, where the new run of {out} would grow. Move it, or choose another --out.")
    return RunFolder(out, new)


def _is_other(folder: Path) -> bool:
    """Whether it is a finished folder of another kind."""
    return any((folder / seal).exists() for kind, seal in SEALS.items() if kind != "run")


def _is_ours(folder: Path) -> bool:
    """Whether an unfinished training wrote all of it."""
    if not folder.is_dir() or is_sealed(folder) or _is_other(folder):
        return False
    return _is_left_before_it_began(folder) or (is_begun(folder) and (folder / CATALOG / "items.parquet").is_file())


def _is_left_before_it_began(folder: Path) -> bool:
    """Whether a training that was killed before it wrote its recipe, or when it had removed it, may have left it."""
    return folder.is_dir() and all(
        path.name == CATALOG
        or is_partial(path)
        or (path.name == STATE and path.is_dir() and all(transfer.START in file.name for file in path.iterdir()))
        for path in folder.iterdir()
    )


def _is_same(dataset: Dataset, folder: Path, recipe: str) -> bool:
    with suppress(HiersrecError):
        _check_same(dataset, folder, recipe)
        return True
    return False


def _check_same(dataset: Dataset, folder: Path, recipe: str) -> None:
    """Raise BadFolder unless the run in `folder` has this recipe and this dataset."""
    if write_recipe(read_recipe(folder / RECIPE)) != recipe:
        raise BadFolder(
            f"{folder} was begun with another recipe ({folder / RECIPE}). Resume with that one, or --overwrite."
        )
    for name, facts in dataset.document["files"].items():
        if not name.startswith(f"{CATALOG}/"):
            continue
        if not ((folder / name).is_file() and sha256(folder / name) == facts["sha256"]):
            raise BadFolder(
                f"{folder} was begun on another dataset than {dataset.folder}: {name} differs. Resume with that one."
            )


def give_up(folder: Path) -> None:
    """Remove an unfinished training; a kill in between leaves one without a checkpoint, or one that had not begun."""
    (folder / STATE / LAST).unlink(missing_ok=True)
    for path in list(folder.iterdir()):
        if path.name not in (RECIPE, CATALOG):
            _remove(path)
    (folder / RECIPE).unlink(missing_ok=True)
    shutil.rmtree(folder / CATALOG, ignore_errors=True)
    with suppress(OSError):  # a mounted disk, or a link
        folder.rmdir()


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing in the folder of a training, and the state of a finished one."""
    if not (is_begun(folder) or is_sealed(folder)):
        return
    remove_partial_files(folder)
    if is_sealed(folder):
        shutil.rmtree(folder / STATE, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
