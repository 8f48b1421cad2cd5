"""Checkpoints of a training: everything that the next step depends on, as safetensors with JSON in the header.

    state/last.safetensors   weights, optimizer moments, random states; the header has the counts (epoch, step, ...)
    state/best.safetensors   weights of the best epoch so far

Each file is written under a temporary name and renamed, so that a kill leaves the previous checkpoint whole. Of several
processes the first writes it, with every process's random state: "random" is its own, "random.1" the second's.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from hiersrec.errors import BadFolder
from hiersrec.store.folder import new_file
from hiersrec.training.distributed import ProcessGroup
from hiersrec.training.optimizer import Optimizers
from hiersrec.training.unfinished import LAST

BEST = "best.safetensors"
CPU, GPU = "random", "random_cuda"
"""Names of the random states."""


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
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per finished epoch."""


def save(folder: Path, progress: Progress, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> None:
    """Write progress, weights, optimizer and torch's random states. All processes call it."""
    random = _random_states(processes)
    if processes.first:
        tensors = {f"model.{name}": value for name, value in _unique(model).items()}
        tensors |= {f"optimizer.{name}": value for name, value in optimizer.tensors().items()}
        _write(folder / LAST, tensors | random, {"progress": json.dumps(asdict(progress))})


def restore(folder: Path, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> Progress:
    """Load the last checkpoint into model, optimizer and torch's random state.

    Raises BadFolder if it was saved by another number of processes, since random states are per process.
    """
    with safetensors.safe_open(folder / LAST, "pt") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
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
    return progress


def save_best(folder: Path, model: nn.Module, processes: ProcessGroup) -> None:
    """Write only the weights, as the best so far; the first process does."""
    if processes.first:
        _write(folder / BEST, _unique(model), {})


def _random_states(processes: ProcessGroup) -> dict[str, Tensor]:
    states = {CPU: torch.get_rng_state()}
    if processes.device.type == "cuda":
        states[GPU] = torch.cuda.get_rng_state(processes.device)
    return {
        _of_rank(name, rank): state for name, own in states.items() for rank, state in enumerate(processes.gather(own))
    }


def _of_rank(name: str, rank: int) -> str:
    return f"{name}.{rank}" if rank else name


def _unique(model: nn.Module) -> dict[str, Tensor]:
    """Tensors by name, each storage once: a head may share the inputs' item table."""
    seen: set[int] = set()
    unique = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            unique[name] = value.contiguous()
    return unique


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata)
