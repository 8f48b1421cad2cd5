"""Folders that are whole or absent: written under a temporary name, sealed with versions and checksums, then renamed.

The seal of a folder is a JSON document (`dataset.json`, `run.json`, `bundle.json`) with its kind, format version, the
size and SHA-256 of every sealed file, and last a SHA-256 of the document itself, which old seals lack. A folder without
its seal is unfinished.

A folder is replaced by two renames: the old one to `.NAME.PID.old`, the new one to NAME. A process killed in between
leaves no NAME; whoever opens or writes NAME next, and finds that nobody holds its lock (lock.py), restores the old
folder. Before an old folder is deleted it is renamed to `.NAME.PID.part`, the name of unfinished folders, which are
never restored.
"""

import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from hiersrec.errors import BadFolder
from hiersrec.store.json_form import check_form, read_json
from hiersrec.store.lock import lock_file
from hiersrec.store.lock import only_writer as only_writer  # for those who write in place
from hiersrec.store.partial_files import partial_name, remove_older
from hiersrec.store.seal_forms import FORMS, SEAL

FORMAT_VERSION = 1
OWN = "seal_sha256"
"""Key of the seal's own checksum."""
SEALS = {"dataset": "dataset.json", "run": "run.json", "bundle": "bundle.json"}
WAY_OUT = {
    "dataset": "Make one with `hiersrec prepare`.",
    "run": "Make one with `hiersrec train`, or finish one that was stopped with `--resume`.",
    "bundle": "Make one with `hiersrec export`.",
}


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, renamed to `path` on success: readers see the old file or the new one."""
    remove_older(path)
    temporary = partial_name(path)
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as the umask wants it; safetensors makes files for their owner only
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def new_folder(out: Path, kind: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder next to `out`; rename it to `out` on success, remove it on any failure.

    Raises BadFolder if `out` exists and is not empty, unless `overwrite` is set and it is a folder of this kind; and if
    another process is writing it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(out):
        yield from _new_folder(out, kind, overwrite)


def _new_folder(out: Path, kind: str, overwrite: bool) -> Iterator[Path]:
    clean_up(out)
    if out.is_symlink() and not out.exists():
        raise BadFolder(f"{out} links to {out.readlink()}, which does not exist. Remove it, or choose another --out.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        if not overwrite:
            raise BadFolder(f"{out} exists already. Choose another --out, or replace it with --overwrite.")
        if not (out / SEALS[kind]).is_file():
            raise BadFolder(f"{out} is not a {kind} folder (no {SEALS[kind]}), so --overwrite does not touch it.")
    temporary = _new_name(out, "part")
    temporary.mkdir()
    try:
        yield temporary
        put_in_place(temporary, out)
    finally:
        _remove(temporary)


def put_in_place(new: Path, out: Path) -> None:
    """Rename the folder `new` to `out`; what is there is kept until then, and put back if that fails.

    Only the writer of `out`, which holds its lock, may call this.
    """
    old = _new_name(out, "old")
    try:
        if os.path.lexists(out):
            out.replace(old)  # two renames, so that a kill in between loses no file
        new.replace(out)
    finally:
        _restore(out)  # where the second rename failed
        _remove(old)


def put_back(out: Path) -> None:
    """Restore `out` if a killed process had renamed it to replace it, and nothing is there."""
    if not os.path.lexists(out) and _left(out, "old"):
        with suppress(OSError, BadFolder), only_writer(out):  # not by one that lives, or where one may not write
            _restore(out)


def clean_up(out: Path) -> None:
    """Restore and remove what killed writers of `out` left next to it. Only the writer of `out` may call this."""
    _restore(out)
    if lock_file(out).exists():  # held by this process, so that no other writes
        for folder in (*_left(out, "part"), *_left(out, "old")):
            _remove(folder)


def _restore(out: Path) -> None:
    if not os.path.lexists(out):
        for old in _left(out, "old")[:1]:  # one at most: writers remove older ones first
            with suppress(OSError):  # this process may not write here
                old.replace(out)


def _remove(folder: Path) -> None:
    """Remove `.NAME.PID.old` or `.NAME.PID.part`, if it exists; of a link only the link, not its target."""
    part = folder.with_suffix(".part")
    with suppress(OSError):  # there is no such folder
        folder.replace(part)  # so that a kill while it is deleted leaves nothing that `put_back` would restore
    if not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):  # this process may not write here
            part.unlink()


def _new_name(out: Path, end: str) -> Path:
    """`.NAME.PID.end` next to `out`, or with the next number that no other has."""
    numbers = {int(_number(out, path, each)) for each in ("part", "old") for path in _left(out, each)}
    number = next(number for number in count(os.getpid()) if number not in numbers)
    return out.parent / f".{out.name}.{number}.{end}"


def _left(out: Path, end: str) -> list[Path]:
    """What is called `.NAME.NUMBER.end` next to `out`."""
    paths = sorted(out.parent.glob(f".{glob.escape(out.name)}.*.{end}"))
    return [path for path in paths if _number(out, path, end).isdecimal()]


def _number(out: Path, path: Path, end: str) -> str:
    return path.name.removeprefix(f".{out.name}.").removesuffix(f".{end}")


def facts_of(folder: Path, files: list[Path]) -> dict[str, dict[str, Any]]:
    """Facts of `files` (absolute paths) for a seal: path in the folder -> {"bytes": size, "sha256": checksum}."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(files)
    }


def seal(folder: Path, kind: str, document: dict[str, Any], files: list[Path]) -> None:
    """Write the seal: `document`, kind, format version, facts of `files` (absolute paths) and its own checksum."""
    write_seal(folder, kind, document, facts_of(folder, files))


def write_seal(folder: Path, kind: str, document: dict[str, Any], facts: dict[str, dict[str, Any]]) -> None:
    """As `seal`, with the facts of the files already computed."""
    whole = {"kind": kind, "format_version": FORMAT_VERSION, **document, "files": facts}
    whole = json.loads(json.dumps(whole))  # as it will be read
    whole.pop(OWN, None)  # `document` may come from another seal
    whole[OWN] = _own_checksum(whole)
    write_text(folder / SEALS[kind], json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def _own_checksum(document: dict[str, Any]) -> str:
    """SHA-256 of a seal's content without this checksum; spaces and the order of keys don't matter."""
    content = {name: value for name, value in document.items() if name != OWN}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def open_seal(folder: Path, kind: str, checksums: bool = False) -> dict[str, Any]:
    """Read a seal; check it and the sizes of its files, with `checksums` also their SHA-256. Raises BadFolder."""
    document = read_seal(folder, kind)
    for name, facts in document["files"].items():
        check_file(folder, name, facts, kind)
        if checksums:
            check_content(folder / name, facts, kind, sha256(folder / name))
    return document


def read_seal(folder: Path, kind: str) -> dict[str, Any]:
    """Read a seal; check its own checksum and its form, but none of its files. Raises BadFolder."""
    put_back(folder)
    path = folder / SEALS[kind]
    if not folder.is_dir():
        raise BadFolder(f"There is no {kind} folder at {folder}. {WAY_OUT[kind]}")
    if not path.is_file():
        raise BadFolder(f"{folder} is not a finished {kind} folder: it has no {SEALS[kind]}. {WAY_OUT[kind]}")
    way_out = f"Make the {kind} folder again."
    document: dict[str, Any] = read_json(path, SEAL, way_out)
    if document["kind"] != kind:
        raise BadFolder(f"{folder} is a {document['kind']} folder, not a {kind} folder.")
    if (version := document["format_version"]) > FORMAT_VERSION:
        raise BadFolder(
            f"{folder} has format version {version}; this hiersrec reads up to {FORMAT_VERSION}. Update hiersrec."
        )
    if OWN in document and document[OWN] != _own_checksum(document):
        raise BadFolder(
            f"{path} was changed after it was written: it does not match its own checksum ({OWN}). Put the file back "
            f"as it was, or make or copy the {kind} folder again."
        )
    check_form(document, FORMS[kind], path, way_out)
    return document


def check_file(folder: Path, name: str, facts: Mapping[str, Any], kind: str) -> None:
    """Raise BadFolder unless a sealed file is in its folder, also if it is a link, and has its size."""
    again = f"Make or copy the {kind} folder again."
    file = folder / name
    if name.startswith("/") or ".." in name.split("/"):
        raise BadFolder(f"{folder / SEALS[kind]} names the file '{name}', which is not inside of the folder. {again}")
    try:
        status = file.stat()
        outside = not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError) as error:  # ValueError: no system has files of such a name
        if isinstance(error, PermissionError):
            raise
        raise BadFolder(f"{file} is missing. The {kind} folder is cut short: make or copy it again.") from error
    if outside:
        raise BadFolder(
            f"{file} is a link to {os.path.realpath(file)}, outside of the folder. Copy the {kind} folder with the "
            f"files themselves: cp -rL."
        )
    if not stat.S_ISREG(status.st_mode):
        raise BadFolder(f"{file} is missing. The {kind} folder is cut short: make or copy it again.")
    if status.st_size != facts["bytes"]:
        raise BadFolder(f"{file} has {status.st_size} bytes, its seal says {facts['bytes']}. {again}")


def check_content(file: Path, facts: Mapping[str, Any], kind: str, checksum: str) -> None:
    """Raise BadFolder unless the checksum of a sealed file's content is that in its seal."""
    if checksum != facts["sha256"]:
        raise BadFolder(f"{file} does not match its checksum. Make or copy the {kind} folder again.")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
