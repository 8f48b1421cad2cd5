"""Checkpoints of a training: everything that the next step depends on, as safetensors with JSON in the header.

    state/last.safetensors   weights, optimizer moments, random states; the header has the counts (epoch, step, ...)
    state/best.safetensors   weights of the best epoch so far

The header of the first also has the checksums of the recipe and the catalogue of the run; both have one of their own
content (state_file.py). Each is written under a temporary name and renamed, so that a kill leaves the previous
checkpoint whole. Of several processes the first writes it, with every process's random state: "random" is its own,
"random.1" the second's.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from hiersrec.errors import BadFolder
from hiersrec.recipe_file import RUN_RECIPE
from hiersrec.store import contents
from hiersrec.store.json_form import Form, mismatch
from hiersrec.training import state_file
from hiersrec.training.distributed import ProcessGroup
from hiersrec.training.optimizer import Optimizers
from hiersrec.training.unfinished import LAST

BEST = "best.safetensors"
CPU, GPU = "random", "random_cuda"
"""Names of the random states."""


PROGRESS: Form = {
    **{"epoch": int, "step": int, "steps?": int, "best": float, "best_epoch": int, "seconds": float},
    **{"dtype?": str, "is_ended?": bool, "examples": int, "totals": {}, "history": [{"epoch": int}]},
}
"""Of a checkpoint's Progress."""


@dataclass
class Progress:
    """How far a training is. `step`, `seconds`, `examples` and `totals` (sums of losses) are of the current epoch."""

    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    steps: int = 0
    """Over all epochs. 0 in the checkpoints of older versions, whose steps before are not counted."""
    best: float = -1.0
    """Best validation MRR@20."""
    best_epoch: int = 0
    seconds: float = 0.0
    dtype: str = ""
    """Of matrix products; chosen at the start, and kept when the training is resumed on another machine."""
    is_ended: bool = False
    """Whether a callback ended the training."""
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per finished epoch."""


def save(folder: Path, progress: Progress, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> None:
    """Write progress, weights, optimizer and torch's random states. All processes call it."""
    random = _random_states(processes)
    if processes.first:
        tensors = {f"model.{name}": value for name, value in state_file.unique_tensors(model).items()}
        tensors |= {f"optimizer.{name}": value for name, value in optimizer.tensors().items()}
        texts = {"progress": json.dumps(asdict(progress)), "files": json.dumps(_files_of(folder.parent))}
        state_file.save(folder / LAST, tensors | random, texts)


def restore(folder: Path, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> Progress:
    """Load the last checkpoint into model, optimizer and torch's random state.

    Raises BadFolder if it is damaged, or the recipe or the catalogue of the run is; and if it was saved by another
    number of processes, since random states are per process.
    """
    saved = read(folder)
    tensors = saved.tensors
    count = sum(name.partition(".")[0] == CPU for name in tensors)
    if count != processes.count:
        started, got = ("one process" if size == 1 else f"{size} processes" for size in (count, processes.count))
        launch = "without torchrun" if count == 1 else f"with torchrun and {count} processes in all"
        raise BadFolder(
            f"The training in {folder.parent} was started by {started}, got {got}, which would train another model. "
            f"Resume it {launch}, or start over with --overwrite."
        )
    torch.set_rng_state(tensors[_of_rank(CPU, processes.rank)])
    if processes.device.type == "cuda" and (name := _of_rank(GPU, processes.rank)) in tensors:
        torch.cuda.set_rng_state(tensors[name], processes.device)
    model.load_state_dict(_with_prefix(tensors, "model."), strict=False)  # a shared table is stored once
    optimizer.load(_with_prefix(tensors, "optimizer."))
    return saved.progress


@dataclass(frozen=True)
class Checkpoint:
    """What is in the last checkpoint."""

    progress: Progress
    tensors: dict[str, Tensor]
    files: dict[str, str]
    """Checksum of each file that the run holds from the start; none in the checkpoints of older versions."""


def read(folder: Path) -> Checkpoint:
    """The last checkpoint. Raises BadFolder if it, the best weights or what the run holds from the start is damaged.

    The best weights are used at the end, which may be many epochs later.
    """
    path = folder / LAST
    tensors, texts = state_file.load(path)
    try:
        progress, files = json.loads(texts["progress"]), json.loads(texts.get("files", "{}"))
    except (KeyError, ValueError) as error:
        raise state_file.damaged(path, f"{error!r}") from error
    if wrong := mismatch(progress, PROGRESS) or mismatch(files, {str: str}):
        raise state_file.damaged(path, wrong)
    for name, checksum in files.items():
        file = folder.parent / name
        if not file.is_file() or contents.checksum(file) != checksum:
            raise BadFolder(
                f"{file} was changed or removed after the training began. Put it back as it was, or start the training "
                "over with --overwrite."
            )
    if (folder / BEST).is_file():
        state_file.load(folder / BEST)
    known = {entry.name: progress[entry.name] for entry in fields(Progress) if entry.name in progress}
    return Checkpoint(Progress(**known), tensors, files)


def _files_of(run: Path) -> dict[str, str]:
    """Checksum of each file that a run holds from the start."""
    files = [run / RUN_RECIPE, *(run / "catalog").rglob("*")]
    return {path.relative_to(run).as_posix(): contents.checksum(path) for path in sorted(files) if path.is_file()}


def save_best(folder: Path, model: nn.Module, processes: ProcessGroup) -> None:
    """Write only the weights, as the best so far; the first process does."""
    if processes.first:
        state_file.save(folder / BEST, state_file.unique_tensors(model), {})


def copy_best(folder: Path, path: Path) -> None:
    """Write the best weights to `path`. Raises BadFolder if they are damaged."""
    tensors, _ = state_file.load(folder / BEST)
    safetensors.torch.save_file(tensors, path, {})


def _random_states(processes: ProcessGroup) -> dict[str, Tensor]:
    states = {CPU: torch.get_rng_state()}
    if processes.device.type == "cuda":
        states[GPU] = torch.cuda.get_rng_state(processes.device)
    return {
        _of_rank(name, rank): state for name, own in states.items() for rank, state in enumerate(processes.gather(own))
    }


def _of_rank(name: str, rank: int) -> str:
    return f"{name}.{rank}" if rank else name


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
