"""The folder in which a batch grows, OUT.parts, until its file OUT is there and the folder goes.

    asked.json      what is asked; the same command continues only this
    sessions/       the sessions in blocks (blocks.py)
    lists-ID/       000000.parquet, .csv or .jsonl: the rows of a block; 000000.json: its counts, written last
    whole           the file as it is put together
    placed.json     which file `whole` is, written before it is renamed to OUT

A kill at any time leaves a folder that the same command continues. ID follows from what is asked, so that a process
that outlives its killed parent writes nothing into the folder of another request.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from hiersrec.batch import formats
from hiersrec.batch.blocks import facts_of
from hiersrec.errors import BadFolder, repr_of
from hiersrec.store.folder import clean_up, new_file, only_writer, write_text
from hiersrec.store.json_form import read_json
from hiersrec.store.partial_files import is_partial, partial_name

ASKED, PLACED, LISTS = "asked.json", "placed.json", "lists-"
AGAIN = "Begin again with --overwrite."


@dataclass(frozen=True)
class WorkFolder:
    """The folder, for the process that leads and for those that score blocks."""

    folder: Path
    asked: dict[str, Any]
    """All that the rows depend on."""
    model: Path
    """The run folder or bundle, wherever it is now."""

    @classmethod
    def open(cls, folder: Path) -> "WorkFolder":
        """The folder of a batch that has begun."""
        document = read_json(folder / ASKED, {"asked": {"format": str, "model": str}, "model": str}, AGAIN)
        return cls(folder, document["asked"], Path(document["model"]))

    def begin(self) -> None:
        """Make the folder, if it is not there, and say what is asked."""
        self.lists.mkdir(parents=True, exist_ok=True)
        document = {"asked": self.asked, "model": str(self.model)}
        write_text(self.folder / ASKED, json.dumps(document, ensure_ascii=False) + "\n")

    @property
    def sessions(self) -> Path:
        """The blocks of sessions."""
        return self.folder / "sessions"

    @property
    def lists(self) -> Path:
        """The blocks of recommendations."""
        text = json.dumps(self.asked, sort_keys=True)
        return self.folder / f"{LISTS}{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def part(self, number: int) -> Path:
        """The rows of a block."""
        return self.lists / f"{number:06}.{self.asked['format']}"

    def write(self, number: int, table: pa.Table, counts: Counter[str]) -> None:
        """Write the rows of a block, whole or not at all."""
        with new_file(self.part(number)) as path:
            formats.write_part(table, self.asked["format"], path)
        document = {**counts, "bytes": self.part(number).stat().st_size}
        write_text(self._facts(number), json.dumps(document) + "\n")

    def counts(self, number: int) -> Counter[str] | None:
        """The counts of a block, None if it is not finished."""
        facts, part = self._facts(number), self.part(number)
        if not facts.is_file() or not part.is_file():
            return None
        document = read_json(facts, {str: int}, AGAIN)
        return Counter(document) if document.pop("bytes", -1) == part.stat().st_size else None

    def _facts(self, number: int) -> Path:
        return self.lists / f"{number:06}.json"

    @property
    def whole(self) -> Path:
        """Where the file is put together."""
        return self.folder / "whole"

    def place(self, out: Path) -> None:
        """Rename the whole file to `out`."""
        write_text(self.folder / PLACED, json.dumps(_identity(self.whole)) + "\n")
        self.whole.replace(out)

    def is_placed(self, out: Path) -> bool:
        """Whether `place` did, and only the folder is left to remove."""
        placed = self.folder / PLACED
        return placed.is_file() and out.is_file() and read_json(placed, [int], AGAIN) == _identity(out)


def _identity(file: Path) -> list[int]:
    """What stays of a file when it is renamed."""
    status = file.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def folder_for(out: Path) -> Path:
    """Where the rows of `out` grow."""
    return out.with_name(f"{out.name}.parts")


@contextmanager
def work_folder(out: Path, asked: dict[str, Any], model: Path, overwrite: bool) -> Iterator[WorkFolder]:
    """The folder for what is asked, new or as a killed process left it; gone afterwards, if all went well.

    After an error or Ctrl-C it stays if the sessions have been read. Raises BadFolder if another process writes `out`,
    if `out` exists, or if the folder is of another request, unless `overwrite` is set; and if it is not ours.
    """
    work = WorkFolder(folder_for(out), asked, model)
    out.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(out):
        clean_up(out)
        _check(out, work, overwrite)
        try:
            work.begin()
            yield work
        except BaseException:
            if facts_of(work.sessions) is None:
                _remove(work.folder, out)
            raise
        _remove(work.folder, out)


def _check(out: Path, work: WorkFolder, overwrite: bool) -> None:
    """Raise BadFolder if nothing may be written; remove what is to be begun again."""
    if out.is_dir():
        raise BadFolder(f"{out} is a folder. Name a file as --out.")
    folder = work.folder
    older = WorkFolder.open(folder) if (folder / ASKED).is_file() else None
    if older is None and folder.exists() and not (folder.is_dir() and all(map(_is_begun, folder.iterdir()))):
        raise BadFolder(f"{folder} exists, where the rows of {out} would grow. Move it, or choose another --out.")
    if older is not None and older.asked == work.asked and (work.is_placed(out) or not out.exists()):
        return
    if out.exists() and not overwrite:
        raise BadFolder(f"{out} exists already. Choose another --out, or replace it with --overwrite.")
    if older is None or older.asked == work.asked:
        return
    if not overwrite:
        raise BadFolder(
            f"{folder} was begun for another request: {_difference(older.asked, work.asked)}. Finish it with the "
            "command that began it, begin again with --overwrite, or choose another --out."
        )
    _remove(folder, out)


def _is_begun(path: Path) -> bool:
    """Whether a process that was killed before it said what is asked may have left `path`."""
    return is_partial(path) or (path.is_dir() and path.name.startswith(LISTS))


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first value that differs, in words."""
    for name in new:
        if old.get(name) != new[name]:
            if name == "files":
                return "the files of sessions have changed since"
            if isinstance(new[name], dict) and isinstance(old.get(name), dict):
                return _difference(old[name], new[name])
            return f"{name} was {repr_of(old.get(name))} and is {repr_of(new[name])}"
    return "an older version of hiersrec"


def _remove(folder: Path, out: Path) -> None:
    """Remove a folder; after a kill in between the next writer of `out` does the rest."""
    left = partial_name(out)
    with suppress(FileNotFoundError):
        folder.replace(left)
    shutil.rmtree(left, ignore_errors=True)
