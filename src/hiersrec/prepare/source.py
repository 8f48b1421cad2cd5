"""Where the data of a dataset folder comes from: an events table, and perhaps an items table and a test table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiersrec.errors import BadInput
from hiersrec.prepare.engine import Engine
from hiersrec.store.folder import sha256

KINDS = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
"""File kinds that can be read."""


@dataclass(frozen=True)
class Source:
    """Files to prepare. Each is one file, or a folder of parts of one kind, of CSV, TSV or Parquet."""

    name: str
    """Name of the dataset, which also names its folder of recipes."""
    events: Path
    """One row per event."""
    items: Path | None = None
    """One row per item."""
    test_events: Path | None = None
    """Events of the test sessions, if they come apart from the others."""
    convert: Callable[["Source", Engine], "Source"] | None = None
    """Writes files that are not in normal form as Parquet into the engine's scratch folder, and names them anew."""
    also: tuple[Path, ...] = ()
    """Further files that `convert` reads."""


def kind(path: Path) -> str:
    """Kind of a file by its name; raises BadInput for one that can't be read."""
    found = [end for end in KINDS if path.name.lower().endswith(end)]
    if not found:
        raise BadInput(f"{path} is of an unknown kind. Files must end in {', '.join(KINDS)}: convert or rename it.")
    return max(found, key=len)


def parts(path: Path) -> list[Path]:
    """The files of a table in the order of their names: the file itself, or all parts in a folder. Raises BadInput."""
    if path.is_file():
        kind(path)
        return [path]
    if not path.is_dir():
        raise BadInput(f"There is no file or folder at {path}. Check the path.")
    found = sorted(part for part in path.iterdir() if part.is_file() and not part.name.startswith((".", "_")))
    if not found:
        raise BadInput(f"The folder {path} holds no files. Parts must end in {', '.join(KINDS)}.")
    kinds = {kind(part) for part in found}
    if len(kinds) > 1:
        raise BadInput(f"The folder {path} holds parts of several kinds ({', '.join(sorted(kinds))}). Keep one kind.")
    return found


def describe_files(source: Source, vectors: Iterable[Path] = ()) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file of a source and of `vectors`, for dataset.json.

    Names only: paths are nobody's business.
    """
    tables = [path for path in (source.events, source.items, source.test_events) if path is not None]
    files = [part for path in tables for part in parts(path)] + [*source.also, *vectors]
    return [{"path": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in files]
