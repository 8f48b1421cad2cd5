"""The state of a training on disk: everything that the next step depends on. Tensors in safetensors, numbers in JSON.

    state/last.safetensors   weights, optimizer moments, random state; its header carries the numbers (epoch, step, ...)
    state/best.safetensors   weights of the best epoch so far

One file holds one moment, written aside and renamed, so that a kill leaves the last moment whole.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hiersrec.store.folder import new_file

LAST, BEST = "last.safetensors", "best.safetensors"


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


def save(folder: Path, progress: Progress, model: nn.Module, optimizer: Optimizer) -> None:
    """Write the moment: progress, weights, optimizer and torch's random state."""
    tensors = {f"model.{name}": value for name, value in _unique(model).items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    _write(folder / LAST, tensors, {"progress": json.dumps(asdict(progress))})


def restore(folder: Path, model: nn.Module, optimizer: Optimizer) -> Progress:
    """Put the saved moment back into model, optimizer and torch's random state."""
    with safetensors.safe_open(folder / LAST, "pt") as moment:
        progress = Progress(**json.loads(moment.metadata()["progress"]))
        tensors: dict[str, Tensor] = {name: moment.get_tensor(name) for name in moment.keys()}  # noqa: SIM118 - no dict
    torch.set_rng_state(tensors.pop("random"))
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            states.setdefault(int(index), {})[key] = value
    model.load_state_dict(_of(tensors, "model."), strict=False)  # a shared table is stored once
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def save_best(folder: Path, model: nn.Module) -> None:
    """Write the weights alone, as the best so far."""
    _write(folder / BEST, _unique(model), {})


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
