"""The files that a dataset folder is made from: events, and optionally items and test events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiersrec.errors import BadInput
from hiersrec.preparation.engine import Engine
from hiersrec.store.folder import sha256

KINDS = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz", ".jsonl", ".jsonl.gz")
"""File kinds that can be read."""


@dataclass(frozen=True)
class Source:
    """Tables to prepare. Each is a CSV, TSV or Parquet file, or a folder of parts of one kind."""

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


def kind(path: Path) -> str:
    """Kind of a file by the end of its name; raises BadInput for an unknown one."""
    kinds = [kind for kind in KINDS if path.name.lower().endswith(kind)]
    if not kinds:
        raise BadInput(f"{path} is of an unknown kind. Files must end in {', '.join(KINDS)}: convert or rename it.")
    return max(kinds, key=len)


def parts(path: Path) -> list[Path]:
    """The files of a table: the file itself, or all parts in a folder sorted by name. Raises BadInput."""
    if path.is_file():
        kind(path)
        return [path]
    if not path.is_dir():
        raise BadInput(f"There is no file or folder at {path}. Check the path.")
    files = sorted(part for part in path.iterdir() if part.is_file() and not part.name.startswith((".", "_")))
    if not files:
        raise BadInput(f"The folder {path} holds no files. Parts must end in {', '.join(KINDS)}.")
    kinds = {kind(file) for file in files}
    if len(kinds) > 1:
        raise BadInput(f"The folder {path} holds parts of several kinds ({', '.join(sorted(kinds))}). Keep one kind.")
    return files


def describe_files(source: Source, vectors: Iterable[Path] = ()) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file of a source and of `vectors`, for dataset.json; paths are private."""
    tables = [path for path in (source.events, source.items, source.test_events) if path is not None]
    files = [part for path in tables for part in parts(path)] + [*source.extra, *vectors]
    return [{"path": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in files]
