"""Where an unfinished training is, and whether it has a checkpoint; importing this file loads no torch."""

import os
from pathlib import Path

from hiersrec.recipe_file import RUN_RECIPE
from hiersrec.store.folder import SEALS

STATE = "state"
"""In the folder of a training: what --resume needs. Removed when the run is finished."""
LAST = "last.safetensors"
"""In the state: the last checkpoint."""


def with_a_name(out: Path) -> Path:
    """The same folder by a path that ends in its name, as "." and ".." do not."""
    return Path(os.path.abspath(out)) if out.name in ("", "..") else out  # noqa: PTH100 - a link stays one


def replacement(out: Path) -> Path:
    """Where a training grows while a finished run is in `out`."""
    named = with_a_name(out)
    return named.parent / f"{named.name}.training"


def is_sealed(folder: Path) -> bool:
    """Whether a finished run is in `folder`."""
    return (folder / SEALS["run"]).is_file()


def is_begun(folder: Path) -> bool:
    """Whether an unfinished training is in `folder`."""
    return (folder / RUN_RECIPE).is_file() and not is_sealed(folder)


def has_checkpoint(folder: Path) -> bool:
    """Whether the training in `folder` has something to resume from."""
    return (folder / STATE / LAST).is_file()


def to_resume(out: Path) -> Path:
    """The folder that --resume continues."""
    return replacement(out) if is_begun(replacement(out)) and not is_begun(out) else out
