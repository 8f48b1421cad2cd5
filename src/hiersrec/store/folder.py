"""Folders that are whole or absent: written aside, sealed with versions and checksums, renamed into place.

The seal of a folder is a JSON document (`dataset.json`, `run.json`) that names its kind, its format version and every
sealed file with size and SHA-256. A folder without its seal is unfinished.
"""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hiersrec.errors import BadFolder

FORMAT_VERSION = 1
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
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Remove what killed processes left half-written beside `out`."""
    for left in out.parent.glob(f".{glob.escape(out.name)}.*"):
        owner, _, end = left.name.removeprefix(f".{out.name}.").partition(".")
        if end in ("part", "old") and owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # ours of an earlier call, or of a process that had our number
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def seal(folder: Path, kind: str, document: dict[str, Any], files: list[Path]) -> None:
    """Write the seal: `document` plus kind, format version, and size and checksum of each file (given absolute)."""
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(files)
    }
    whole = {"kind": kind, "format_version": FORMAT_VERSION, **document, "files": listed}
    write_text(folder / SEALS[kind], json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def open_seal(folder: Path, kind: str, checksums: bool = False) -> dict[str, Any]:
    """Read and check a seal; sizes always, checksums on request. Raises BadFolder, saying what to do."""
    path = folder / SEALS[kind]
    if not folder.is_dir():
        raise BadFolder(f"There is no {kind} folder at {folder}. {WAY_OUT[kind]}")
    if not path.is_file():
        raise BadFolder(f"{folder} is not a finished {kind} folder: it has no {SEALS[kind]}. {WAY_OUT[kind]}")
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, files = document["format_version"], document["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFolder(f"{path} is damaged ({error}). Make the {kind} folder anew.") from error
    if document.get("kind") != kind:
        raise BadFolder(f"{folder} is a {document.get('kind')} folder, not a {kind} folder.")
    if version > FORMAT_VERSION:
        raise BadFolder(
            f"{folder} has format version {version}; this hiersrec reads up to {FORMAT_VERSION}. Update hiersrec."
        )
    for name, facts in files.items():
        _check_file(folder / name, facts, kind, checksums)
    return document


def _check_file(path: Path, facts: dict[str, Any], kind: str, checksums: bool) -> None:
    if not path.is_file():
        raise BadFolder(f"{path} is missing. The {kind} folder is cut short: make or copy it anew.")
    size = path.stat().st_size
    if size != facts["bytes"]:
        raise BadFolder(
            f"{path} has {size} bytes, its seal says {facts['bytes']}: make or copy the {kind} folder anew."
        )
    if checksums and sha256(path) != facts["sha256"]:
        raise BadFolder(f"{path} does not match its checksum: make or copy the {kind} folder anew.")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
