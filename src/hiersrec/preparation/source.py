"""The files that a dataset folder is made from: events, and optionally items and test events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.store.folder import sha256

SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t"}
"""Separated text: end of the name -> the separator that it implies. RecBole's atomic files are the last two."""
JSON_LINES = (".jsonl", ".ndjson", ".json")
"""One JSON object a line."""
KINDS = (*SEPARATORS, *JSON_LINES, ".parquet")
"""File kinds that can be read."""
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
"""Ends of the names of compressed text -> codec."""
KNOWN_ENDS = f"{', '.join(KINDS)}; text also in {' or '.join(COMPRESSIONS)}"
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Source:
    """Tables to prepare. Each is a text or Parquet file, or a folder of parts of one kind."""

    name: str
    """Name of the dataset, which also names its folder of recipes."""
    events: Path
    """One row per event."""
    items: Path | None = None
    """One row per item."""
    test_events: Path | None = None
    """Events of the test sessions, if they are in a file of their own."""
    convert: Callable[["Source", Engine], "Source"] | None = None
    """Converts raw files into Parquet tables in the engine's scratch folder, and returns a Source of those."""
    extra: tuple[Path, ...] = ()
    """Further files that `convert` reads."""
    notes: tuple[str, ...] = ()
    """What `convert` has to tell: rows that it dropped."""


def compression(path: Path) -> str | None:
    """Codec of a compressed file by the end of its name, or None."""
    return COMPRESSIONS.get(path.suffix.lower())


def kind(path: Path) -> str:
    """Kind of a file by the end of its name, whether compressed or not; raises BadInput for an unknown one."""
    name = path.name.lower()
    end = Path(name.removesuffix(path.suffix.lower()) if compression(path) else name).suffix
    if end not in KINDS or (end == ".parquet" and compression(path)):
        raise BadInput(f"{path} is of an unknown kind. Files must end in {KNOWN_ENDS}: convert or rename it.")
    return end


def parts(path: Path) -> list[Path]:
    """The files of a table: the file itself, or all parts in a folder sorted by name. Raises BadInput.

    Of subfolders only those are read that are named key=value, as Hive and Spark partition tables.
    """
    if path.is_file():
        kind(path)
        return [path]
    if not path.is_dir():
        raise BadInput(f"There is no file or folder at {path}. Check the path.")
    files = _files_in(path)
    if not files:
        folders = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
        hint = f" Of its subfolders ({', '.join(folders[:5])}) only key=value ones are read." if folders else ""
        raise BadInput(f"The folder {path} holds no files.{hint} Parts must end in {KNOWN_ENDS}.")
    kinds = {kind(file) for file in files}
    if len(kinds) > 1:
        raise BadInput(f"The folder {path} holds parts of several kinds ({', '.join(sorted(kinds))}). Keep one kind.")
    return files


def _files_in(folder: Path) -> list[Path]:
    shown = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    files = [path for path in shown if path.is_file()]
    return files + [file for path in shown if path.is_dir() and "=" in path.name for file in _files_in(path)]


def folder_columns(root: Path, file: Path) -> dict[str, str]:
    """The columns that folders named key=value between `root` and `file` stand for; "" for Hive's null."""
    if file == root:
        return {}
    pairs = [folder.partition("=") for folder in file.relative_to(root).parts[:-1]]
    values = {unquote(key): unquote(value) for key, _, value in pairs}
    return {key: "" if value == HIVE_NULL else value for key, value in values.items()}


def describe_files(source: Source, vectors: Iterable[Path] = ()) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file of a source and of `vectors`, for dataset.json; paths are private."""
    tables = [path for path in (source.events, source.items, source.test_events) if path is not None]
    files = [part for path in tables for part in parts(path)] + [*source.extra, *vectors]
    return [{"path": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in files]
