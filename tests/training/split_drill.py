"""What the processes of test_split_items.py do, which torchrun starts: `check OUT DATASET`, `die MOMENT train ...`."""

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
from torch import Tensor

from hiersrec.build import build_model
from hiersrec.cli import app
from hiersrec.config import Training
from hiersrec.errors import HiersrecError
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.split import Split, parts, whole
from hiersrec.model.targets import Targets
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import checkpoint, loop
from hiersrec.training.callbacks import SilentCallback
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import Processes, joined, leave
from hiersrec.training.fit import train
from tests.model.world import recipe
from tests.shop import TINY
from tests.toy import NUM_ITEMS, toy

ITEMS = NUM_ITEMS - 1
SETTINGS = Training(batch_size=47, learning_rate=3e-3, epochs=2, precision="float32", split_items=True)
STILL = ("encoder.dropout=0.0",)
ALONE = ("inputs.category_width=0", "inputs.metadata_width=0")
VARIANTS: dict[str, tuple[str, ...]] = {
    "linear": (*STILL, "tasks.item.head=linear"),
    "cosine": (*STILL, "tasks.item.head=cosine"),
    "dot": (*STILL, *ALONE, "tasks.item.head=dot"),
    "dropout": ("inputs.dropout=0.2", "encoder.dropout=0.2", "tasks.item.head=linear", "tasks.category.weight=random"),
    "every position": ("encoder.causal=true", "encoder.positions=forward", "inputs.dropout=0.1"),
    "no ids": ("inputs.item_width=0", "tasks.item.head=linear", "tasks.category.weight=uncertainty"),
}
RUN = [
    *(*TINY, "training.batch_size=53", "training.precision=float32", "training.epochs=3"),
    *("inputs.dropout=0.2", "encoder.dropout=0.2", "training.learning_rate=0.003", "training.split_items=true"),
]
"""Settings of a training by the command line."""


def data() -> TrainingData:
    """The toy shop without its last item, so that the parts of two processes differ."""
    made = toy(train=33, test=10).data
    known = made.catalog
    features = [dataclasses.replace(one, values=one.values[: ITEMS + 1]) for one in known.features]
    catalog = Catalog(known.items.slice(0, ITEMS), known.levels, features, known.event_types)
    return TrainingData(catalog, _without_last(made.train), _without_last(made.valid))


def _without_last(sessions: Sessions) -> Sessions:
    return dataclasses.replace(sessions, items=np.minimum(sessions.items, ITEMS))


def built(variant: str, split: Split | None = None) -> HierarchicalModel:
    """The untrained model of a variant."""
    torch.manual_seed(0)
    return build_model(recipe(*VARIANTS[variant]), data().catalog, split)


def gradients(model: HierarchicalModel) -> dict[str, Tensor]:
    """The loss of a few sessions, and its gradients by name, those of this process for what is split."""
    torch.manual_seed(9)
    items = torch.randint(1, ITEMS + 1, (9, 5))
    loss, _ = model.train().loss(items, torch.full((9,), 5), Targets(torch.tensor([1, 2, 47, 46, 24, 23, 25, 9, 1])))
    loss.backward()
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    return {"loss": loss.detach()[None], **found}


def trained(variant: str, folder: Path, processes: Processes | None = None) -> tuple[HierarchicalModel, Progress]:
    """A short training of a variant."""
    split = None if processes is None else Split(processes.rank, processes.count, ITEMS)
    model = built(variant, split)
    positions: Any = "all" if variant == "every position" else "last"
    settings = dataclasses.replace(SETTINGS, positions=positions, split_items=split is not None)
    return model, loop.fit(model, data(), settings, folder, SilentCallback(), processes)


def check(out: Path, dataset: Path) -> None:
    """Write histories to OUT/<rank>.json, and gradients and weights of each variant to OUT/<variant>.*."""
    with joined(report=print) as here:
        found: dict[str, Any] = {}
        for variant in VARIANTS:
            model = built(variant, Split(here.rank, here.count, ITEMS))
            put_together = whole(gradients(model), parts(model))
            model, progress = trained(variant, out / variant, here)
            held = sum(one.numel() for one in model.parameters())
            replicated = [one for name, one in model.named_parameters() if name not in parts(model)]
            bits = "".join(one.detach().numpy().tobytes().hex() for one in replicated)
            found[variant] = {"history": progress.history, "held": held, "bits": bits}
            state = whole({name: value.contiguous() for name, value in model.state_dict().items()}, parts(model))
            if here.first:
                safetensors.torch.save_file(put_together, out / f"{variant}.gradients.safetensors")
                safetensors.torch.save_file(state, out / f"{variant}.last.safetensors")
        chosen = read_recipe(find_recipe("hiersrec", "toy"), RUN)
        train(Dataset.open(dataset), chosen, out / "run", SilentCallback(), processes=here)
        try:
            train(Dataset.open(dataset), chosen, out / "warm", SilentCallback(), processes=here, init_from=out / "run")
        except HiersrecError as error:
            found["warm start"] = str(error)
        (out / f"{here.rank}.json").write_text(json.dumps(found), encoding="utf-8")


def die(at: int) -> None:
    """Run the command line; in moment number `at` the first dies when the others have written theirs, and it has not.

    There is a moment after each step.
    """
    loop.SAVE_EVERY = -1.0
    write, seen = checkpoint._write, 0

    def counted(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        nonlocal seen
        seen += path.name == checkpoint.LAST
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, tensors, metadata)

    checkpoint._write = counted
    app.main()


if __name__ == "__main__":
    what, first = sys.argv[1:3]
    if what == "check":
        check(Path(first), Path(sys.argv[3]))
        leave(0)
    else:
        sys.argv[1:3] = []
        die(int(first))
