"""Folders that are whole or absent: written aside, sealed with versions and checksums, renamed into place.

The seal of a folder is a JSON document (`dataset.json`, `run.json`, `bundle.json`) that names its kind, its format
version, every sealed file with size and SHA-256, and last a SHA-256 of all this. A folder without its seal is
unfinished. Seals of before the last one was there are read as they are.

A newer folder takes the place of an older one by two renames: the older one to `.NAME.PID.old`, the newer one to NAME.
Who is killed between them leaves no NAME; whoever opens or writes it next puts the older folder back. Before it is
removed it is renamed once more, to `.NAME.PID.part` as what is half-written, which is never put back.
"""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hiersrec.errors import BadFolder

FORMAT_VERSION = 1
OWN = "seal_sha256"
"""Where a seal has the checksum of its own content."""
SEALS = {"dataset": "dataset.json", "run": "run.json", "bundle": "bundle.json"}
WAY_OUT = {
    "dataset": "Make one with `hiersrec prepare`.",
    "run": "Make one with `hiersrec train`, or finish one that was stopped with `--resume`.",
    "bundle": "Make one with `hiersrec export`.",
}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; renamed on success, so a reader sees the old file or the new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with new_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def new_folder(out: Path, kind: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder beside `out` to write into; rename it to `out` on success, remove it on any failure.

    Raises BadFolder if `out` exists and is not empty, unless `overwrite` is set and it is an older folder of this kind.
    """
    put_back(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not overwrite:
            raise BadFolder(f"{out} exists already. Choose another --out, or replace it with --overwrite.")
        if not (out / SEALS[kind]).is_file():
            raise BadFolder(f"{out} is not a {kind} folder (no {SEALS[kind]}), so --overwrite leaves it alone.")
    out.parent.mkdir(parents=True, exist_ok=True)
    _sweep(out)
    aside, old = (out.parent / f".{out.name}.{os.getpid()}.{end}" for end in ("part", "old"))
    aside.mkdir()
    try:
        yield aside
        if out.exists():
            out.replace(old)  # a rename each, so that a kill in between costs no file
        aside.replace(out)
    finally:
        put_back(out)  # where the second rename failed
        _remove(old)


def put_back(out: Path) -> None:
    """If a killed process had renamed `out` aside and put nothing in its place, give it its name back."""
    if not os.path.lexists(out):
        for left in _left(out, "old"):  # one at most: who writes sweeps first
            with suppress(OSError):  # another process was faster, or this one may not write here
                left.replace(out)


def _sweep(out: Path) -> None:
    """Remove what killed processes left half-written beside `out`."""
    for left in (*_left(out, "part"), *_left(out, "old")):
        _remove(left)


def _remove(left: Path) -> None:
    """Remove `.NAME.PID.old` or `.NAME.PID.part`, whichever there is; a link goes, what it leads to stays."""
    part = left.with_suffix(".part")
    with suppress(OSError):  # there is no such folder
        left.replace(part)  # so that what a kill leaves of it is not put back
    if not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):  # another process was faster, or this one may not write here
            part.unlink()


def _left(out: Path, end: str) -> list[Path]:
    """Folders `.NAME.PID.end` beside `out` of processes that are no more."""
    found = out.parent.glob(f".{glob.escape(out.name)}.*.{end}")
    owners = {left: left.name.removeprefix(f".{out.name}.").removesuffix(f".{end}") for left in found}
    return [left for left, owner in owners.items() if owner.isdecimal() and not _is_alive(int(owner))]


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # ours of an earlier call, or of a process that had our number
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # no process can have a number so large
        return False
    except PermissionError:
        return True
    return True


def facts_of(folder: Path, files: list[Path]) -> dict[str, dict[str, Any]]:
    """What a seal says of files (given absolute): path in the folder -> {"bytes": size, "sha256": checksum}."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(files)
    }


def seal(folder: Path, kind: str, document: dict[str, Any], files: list[Path]) -> None:
    """Write the seal: `document` plus kind, format version, facts of each file (given absolute) and own checksum."""
    write_seal(folder, kind, document, facts_of(folder, files))


def write_seal(folder: Path, kind: str, document: dict[str, Any], facts: dict[str, dict[str, Any]]) -> None:
    """The same where the files' facts are known already."""
    whole = {"kind": kind, "format_version": FORMAT_VERSION, **document, "files": facts}
    whole = json.loads(json.dumps(whole))  # as it will be read
    whole.pop(OWN, None)  # of the seal that `document` may be from
    whole[OWN] = _own_checksum(whole)
    write_text(folder / SEALS[kind], json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def _own_checksum(document: dict[str, Any]) -> str:
    """Of what a seal says beside it, however that is laid out."""
    said = {name: value for name, value in document.items() if name != OWN}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def open_seal(folder: Path, kind: str, checksums: bool = False) -> dict[str, Any]:
    """Read and check a seal; sizes and its own checksum always, those of files on request.

    Raises BadFolder, saying what to do.
    """
    put_back(folder)
    path = folder / SEALS[kind]
    if not folder.is_dir():
        raise BadFolder(f"There is no {kind} folder at {folder}. {WAY_OUT[kind]}")
    if not path.is_file():
        raise BadFolder(f"{folder} is not a finished {kind} folder: it has no {SEALS[kind]}. {WAY_OUT[kind]}")
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = int(document["format_version"])
        files = {name: (facts["bytes"], facts["sha256"]) for name, facts in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFolder(f"{path} is damaged ({error}). Make the {kind} folder anew.") from error
    if document.get("kind") != kind:
        raise BadFolder(f"{folder} is a {document.get('kind')} folder, not a {kind} folder.")
    if version > FORMAT_VERSION:
        raise BadFolder(
            f"{folder} has format version {version}; this hiersrec reads up to {FORMAT_VERSION}. Update hiersrec."
        )
    if OWN in document and document[OWN] != _own_checksum(document):
        raise BadFolder(
            f"{path} was changed after it was written: it does not match its own checksum ({OWN}). Put the file back "
            f"as it was, or make or copy the {kind} folder anew."
        )
    for name, (size, checksum) in files.items():
        _check_file(folder / name, size, checksum if checksums else None, kind)
    return document


def _check_file(path: Path, size: int, checksum: str | None, kind: str) -> None:
    if not path.is_file():
        raise BadFolder(f"{path} is missing. The {kind} folder is cut short: make or copy it anew.")
    found = path.stat().st_size
    if found != size:
        raise BadFolder(f"{path} has {found} bytes, its seal says {size}: make or copy the {kind} folder anew.")
    if checksum is not None and sha256(path) != checksum:
        raise BadFolder(f"{path} does not match its checksum: make or copy the {kind} folder anew.")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
