"""The state of a training on disk: everything that the next step depends on. Tensors in safetensors, numbers in JSON.

    state/last.safetensors   weights, optimizer moments, random states; its header has the numbers (epoch, step, ...)
    state/best.safetensors   weights of the best epoch so far

One file holds one moment, written aside and renamed, so that a kill leaves the last moment whole. Of several processes
the first writes it, with the random state of each: "random" is its own, "random.1" that of the second, and so on.
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

LAST, BEST = "last.safetensors", "best.safetensors"
CPU, GPU = "random", "random_cuda"
"""Names of the random states."""


@dataclass
class Progress:
    """Where a training stands. `totals` are sums over the examples of the epoch in hand."""

    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps done in the epoch in hand."""
    best: float = -1.0
    """Best validation MRR@20."""
    best_epoch: int = 0
    seconds: float = 0.0
    """Spent in the epoch in hand."""
    dtype: str = ""
    """Of matrix products; chosen at the start, and kept when the training goes on elsewhere."""
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """One record per finished epoch."""


def save(folder: Path, progress: Progress, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> None:
    """Write the moment: progress, weights, optimizer and torch's random states. All processes call it."""
    random = _random_states(processes)
    if not processes.first:
        return
    tensors = {f"model.{name}": value for name, value in _unique(model).items()}
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.tensors().items()}
    _write(folder / LAST, tensors | random, {"progress": json.dumps(asdict(progress))})


def restore(folder: Path, model: nn.Module, optimizer: Optimizers, processes: ProcessGroup) -> Progress:
    """Put the saved moment back into model, optimizer and torch's random state.

    Raises BadFolder if it was that of another number of processes, whose draws nobody could go on with.
    """
    with safetensors.safe_open(folder / LAST, "pt") as moment:
        progress = Progress(**json.loads(moment.metadata()["progress"]))
        tensors: dict[str, Tensor] = {name: moment.get_tensor(name) for name in moment.keys()}  # noqa: SIM118 - no dict
    count = sum(name.partition(".")[0] == CPU for name in tensors)
    if count != processes.count:
        raise BadFolder(
            f"The training in {folder.parent} was begun by {_named(count)}, got {_named(processes.count)}, which would "
            f"end in another model. Resume it {_way(count)}, or start anew with --overwrite."
        )
    torch.set_rng_state(tensors[_of_rank(CPU, processes.rank)])
    if processes.device.type == "cuda" and (name := _of_rank(GPU, processes.rank)) in tensors:
        torch.cuda.set_rng_state(tensors[name], processes.device)
    model.load_state_dict(_of(tensors, "model."), strict=False)  # a shared table is stored once
    optimizer.load(_of(tensors, "optimizer."))
    return progress


def save_best(folder: Path, model: nn.Module, processes: ProcessGroup) -> None:
    """Write the weights alone, as the best so far; the first of several processes does."""
    if processes.first:
        _write(folder / BEST, _unique(model), {})


def _random_states(processes: ProcessGroup) -> dict[str, Tensor]:
    states = {CPU: torch.get_rng_state()}
    if processes.device.type == "cuda":
        states[GPU] = torch.cuda.get_rng_state(processes.device)
    return {
        _of_rank(name, rank): state
        for name, own in states.items()
        for rank, state in enumerate(processes.gathered(own))
    }


def _of_rank(name: str, rank: int) -> str:
    return f"{name}.{rank}" if rank else name


def _named(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def _way(count: int) -> str:
    return "without torchrun" if count == 1 else f"with torchrun and {count} processes in all"


def _unique(model: nn.Module) -> dict[str, Tensor]:
    """Tensors by name, each storage once: a head may share the inputs' item table."""
    seen: set[int] = set()
    unique = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            unique[name] = value.contiguous()
    return unique


def _of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as aside:
        safetensors.torch.save_file(tensors, aside, metadata)
