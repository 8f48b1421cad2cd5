"""`verify(folder)`: is every file of a dataset, run, bundle or unfinished training as it was written?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec import arguments
from hiersrec.api.result import Result
from hiersrec.errors import BadFolder, HiersrecError, named_extras
from hiersrec.store.folder import OWN, SEALS, check_content, check_file, put_back, read_seal, sha256
from hiersrec.writing.tables import Table

SHOWN = 5
"""Damaged files named in the error."""
UNFINISHED = "unfinished training"


class Verification(Result):
    """What was checked: `kind`, `folder`, `files` with the size of each, `not_sealed` files that nothing can check."""

    def parts(self) -> Iterator[str | Table]:
        sizes = self.document["files"].values()
        yield (
            f"{self.document['folder']}: {self.document['kind']}, {len(sizes):,} files of {sum(sizes) / 1e6:,.1f} MB, "
            "all as they were written."
        )
        if names := self.document["not_sealed"]:
            yield f"Not sealed, so not checked: {', '.join(names)}."

    def columns(self) -> dict[str, list[Any]]:
        """The files that were checked, and their bytes."""
        return {"file": list(self.document["files"]), "bytes": list(self.document["files"].values())}


def verify(folder: str | Path) -> Verification:
    """Read every file of a folder that `prepare`, `train` or `export` made, and compare it with its checksum.

    Of an unfinished training these are the files of its state, its recipe and its catalogue. Raises BadFolder, which
    names what is damaged and says what to do.
    """
    path = arguments.path(folder=folder)
    put_back(path)
    kinds = [kind for kind, seal in SEALS.items() if (path / seal).is_file()]
    files = _sealed(path, kinds[0]) if kinds else _state(path)
    there = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    others = sorted(there - set(files))
    return Verification(
        {"kind": kinds[0] if kinds else UNFINISHED, "folder": str(path), "files": files, "not_sealed": others}
    )


def _sealed(folder: Path, kind: str) -> dict[str, int]:
    """Sizes of the files of a sealed folder, the seal among them."""
    document = read_seal(folder, kind)
    if OWN not in document:
        raise BadFolder(
            f"{folder / SEALS[kind]} has no checksum of its own ({OWN}): it is damaged, or an older hiersrec made it. "
            f"Make the {kind} folder again."
        )
    damaged: dict[str, HiersrecError] = {}
    for name, facts in document["files"].items():
        try:
            check_file(folder, name, facts, kind)
            check_content(folder / name, facts, kind, sha256(folder / name))
        except BadFolder as error:
            damaged[name] = error
    if len(damaged) == 1:
        raise next(iter(damaged.values()))
    if damaged:
        more = f" and {len(damaged) - SHOWN:,} more" if len(damaged) > SHOWN else ""
        names = ", ".join(list(damaged)[:SHOWN]) + more
        raise BadFolder(
            f"{len(damaged):,} of {len(document['files']):,} files of {folder} are not as they were written: {names}. "
            f"Make or copy the {kind} folder again."
        )
    sizes = {name: facts["bytes"] for name, facts in document["files"].items()}
    return {SEALS[kind]: (folder / SEALS[kind]).stat().st_size, **sizes}


def _state(folder: Path) -> dict[str, int]:
    """Sizes of the files of an unfinished training."""
    from hiersrec.recipe_file import RUN_RECIPE
    from hiersrec.training.unfinished import LAST, STATE

    state = folder / STATE
    if not (folder / RUN_RECIPE).is_file():
        raise BadFolder(
            f"{folder} is no folder of a dataset, a run or a bundle: it has none of {', '.join(SEALS.values())}, nor a "
            f"{RUN_RECIPE} of a training. Check the path."
        )
    with named_extras():
        from hiersrec.training import checkpoint, state_file
    checked = []
    for path in sorted(state.glob("*.safetensors")):
        state_file.load(path)
        if not state_file.has_checksum(path):
            raise state_file.damaged(path, "it has no checksum, unless an older hiersrec wrote it")
        checked.append(path)
    if (state / LAST).is_file():
        checked += [folder / name for name in checkpoint.read(state).files]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in checked}
