"""What the processes of a test do, which torchrun starts: `check OUT DATASET`, or `die STEP train ...`."""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from hiersrec.build import build_model
from hiersrec.cli import app
from hiersrec.config import Training
from hiersrec.errors import HiersrecError
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.losses import cross_entropy
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.training import loop
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import ProcessGroup, exit_process, process_group
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.training.teachers import Teachers
from tests.model.world import recipe
from tests.shop import TINY
from tests.toy import toy

DATA = toy(train=33, test=10).data
"""142 examples, so that with batches of 47 each epoch has one of a single row."""
SETTINGS = Training(batch_size=47, learning_rate=3e-3, epochs=2, precision="float32")
VARIANTS: dict[str, tuple[str, ...]] = {
    "linear head": ("tasks.item.head=linear", "tasks.category.weight=random"),
    "shared table": ("tasks.category.weight=trainable", "tasks.item.injection_weight=trainable"),
    "every position": ("encoder.causal=true", "encoder.positions=forward"),
    "taught": ("tasks.item.head=linear",),
    "sampled": ("tasks.item.softmax=sampled",),  # so many draws that each item comes up in each process
}

QUICK = [
    *TINY,
    "training.batch_size=53",
    "training.precision=float32",
    "training.epochs=3",
    "training.learning_rate=0.003",
]
"""Settings of the recipe hiersrec for a run folder."""
DROPOUT = {
    "still": ["inputs.dropout=0", "encoder.dropout=0"],
    "dropping": ["inputs.dropout=0.2", "encoder.dropout=0.2"],
}


def trained(variant: str, folder: Path, processes: ProcessGroup | None = None) -> tuple[HierarchicalModel, Progress]:
    """A short training of a variant, without dropout."""
    torch.manual_seed(0)
    model = build_model(recipe("encoder.dropout=0.0", *VARIANTS[variant]), DATA.catalog)
    settings = dataclasses.replace(SETTINGS, positions="all" if variant == "every position" else "last")
    teacher = build_model(recipe(), DATA.catalog).eval().requires_grad_(False)
    teachers = Teachers((teacher,), 0.5, ()) if variant == "taught" else None
    return model, loop.fit(model, DATA, settings, folder, SilentReporter(), processes, teachers)


def examples() -> tuple[Tensor, Tensor, Tensor]:
    """States, weights and classes of seven examples; five are labelled, one of them the second process's."""
    torch.manual_seed(3)
    return torch.randn(7, 4), torch.randn(5, 4, requires_grad=True), torch.tensor([0, -1, 2, 3, 4, -1, 1])


def gradients(processes: ProcessGroup) -> dict[str, Any]:
    """Of the mean loss over labelled examples, and of a table of which some rows are read."""
    state, weight, classes = examples()
    own = torch.from_numpy(processes.share(np.arange(7)))
    loss = cross_entropy(state[own], weight, None, classes[own])
    loss.backward()
    assert weight.grad is not None
    table = nn.Embedding(6, 3, sparse=True)
    table(torch.tensor([1, 2, 2] if processes.first else [2, 5])).sum().backward()
    processes.average_sparse_gradients([table.weight])
    assert table.weight.grad is not None
    return {
        "loss": processes.mean(loss.detach()).item(),
        "weight": processes.mean(weight.grad).tolist(),
        "table": table.weight.grad.to_dense().tolist(),
    }


def shared_error(processes: ProcessGroup) -> str:
    """The error in every process when only the second one raises it."""
    try:
        with processes.synchronized():
            if not processes.first:
                raise HiersrecError("no such folder")
    except HiersrecError as error:
        return str(error)
    return ""


def refused(processes: ProcessGroup, dataset: Path, out: Path) -> list[str]:
    """The errors for baselines."""
    messages = []
    for name in ("tagnn", "popularity"):
        try:
            train(
                Dataset.open(dataset), read_recipe(find_recipe(name, "toy")), out, SilentReporter(), processes=processes
            )
        except HiersrecError as error:
            messages.append(str(error))
    return messages


def bits(model: nn.Module) -> str:
    """All weights, as text."""
    return "".join(value.numpy().tobytes().hex() for value in model.state_dict().values())


def check(out: Path, dataset: Path) -> None:
    """Write the results of each process to OUT/<rank>.json, and the weights of each variant to OUT/<variant>."""
    with process_group(report=print) as processes:
        results: dict[str, Any] = {
            "texts": processes.gather_texts(f"é{processes.rank}" * processes.rank),
            "gathered": [rows.tolist() for rows in processes.gather(torch.arange(2 * processes.rank).view(-1, 2))],
            "total": processes.total(np.array([1, 10**15 + processes.rank])).tolist(),
            "share": processes.share(np.arange(5)).tolist(),
            "gradients": gradients(processes),
            "error": shared_error(processes),
            "refused": refused(processes, dataset, out / "baseline"),
        }
        torch.manual_seed(7)
        processes.seed_random(7)
        results["draw"] = torch.rand(1).item()
        for variant in VARIANTS:
            model, progress = trained(variant, out / variant, processes)
            results[variant] = {"bits": bits(model), "history": progress.history}
            if processes.first:
                safetensors.torch.save_model(model, str(out / f"{variant}.safetensors"))
        for name, dropout in DROPOUT.items():
            settings = read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *dropout])
            train(Dataset.open(dataset), settings, out / name, SilentReporter(), processes=processes)
        (out / f"{processes.rank}.json").write_text(json.dumps(results), encoding="utf-8")


def die(last: int) -> None:
    """Run the command line, and kill every process before step number `last`; each step before saves a checkpoint."""
    loop.SAVE_EVERY = -1.0
    step, done = loop._step, 0

    def counted(*args: Any) -> bool:
        nonlocal done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*args)

    loop._step = counted
    app.main()


if __name__ == "__main__":
    command, first = sys.argv[1:3]
    if command == "check":
        check(Path(first), Path(sys.argv[3]))
        exit_process(0)
    else:
        sys.argv[1:3] = []
        die(int(first))
