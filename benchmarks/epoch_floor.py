"""How near is one epoch of training to the seconds that only its arithmetic would take?

    .venv/bin/python benchmarks/epoch_floor.py [--data data/diginetica] [--set KEY=VALUE] [--share 0.05]

The floor is the FLOPs of the forward and backward passes over the rate of matrix products in the dtype that the
training uses (bf16 where the processor has it), measured in the same run before and after the epoch at the shape of the
item softmax. FLOPs are counted by torch's FlopCounterMode on steps of the real loop: all products, those of our own
loss function and of padding among them. The epoch is the real loop's, from its first step to its last, without the
validation; its parts are timed during it, on the processor.

--share takes the newest share of the sessions, for a quick look.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from measuring import Clock, machine, show, versions, write_json
from steps import opened, train
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils import flop_counter
from torch.utils.flop_counter import FlopCounterMode

from hiersrec.model import inputs
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.products import missing
from hiersrec.model.trainable import Trainable
from hiersrec.training import precision

COUNTED = 50
"""Steps on which FLOPs are counted: batches of random lengths, so that their mean stands for the epoch."""
ALL = 10**9
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class Parts:
    """Seconds spent in each part of the steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.begun: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """The part begins."""
        self.begun[name] = time.perf_counter()

    def end(self, name: str) -> None:
        """The part is over."""
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - self.begun[name]

    def around(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.begin(name)
            found = work(*args, **kwargs)
            self.end(name)
            return found

        return timed

    def callback(self, model: Trainable) -> None:
        """Time the parts of a model of ours."""
        assert isinstance(model, HierarchicalModel), "the parts are those of our own model"
        model.loss = self.around("forward", model.loss)
        for name in ("inputs", "encoder", "pooling"):
            part: nn.Module = getattr(model, name)
            part.forward = self.around(name, part.forward)
        for name in model.loss_weights:  # all tasks but a tree head, which is fitted later
            task = model.tasks[name]
            task.loss = self.around(f"loss of {name}", task.loss)

    def table(self, total: float) -> dict[str, float]:
        """Seconds of parts that add up to `total`, in the order of a step."""
        forward = {name: one for name, one in self.seconds.items() if name not in ("forward", "backward", "optimizer")}
        other = self.seconds["forward"] - sum(forward.values())
        step = {**forward, "predictions fed on": other} | {one: self.seconds[one] for one in ("backward", "optimizer")}
        return {"data and loop": total - sum(step.values()), **step}


@contextmanager
def timing(parts: Parts) -> Iterator[None]:
    """Time the backward passes and the optimizer's steps, whoever calls them."""
    backward = Tensor.backward

    def begin(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        parts.begin("optimizer")

    def end(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        parts.end("optimizer")

    hooks = [register_optimizer_step_pre_hook(begin), register_optimizer_step_post_hook(end)]
    Tensor.backward = parts.around("backward", backward)
    try:
        yield
    finally:
        Tensor.backward = backward
        for hook in hooks:
            hook.remove()


def rate(items: int, width: int, batch: int, dtype: torch.dtype) -> float:
    """Median FLOP/s of a product (batch, width) x (width, items)."""
    left, right = torch.randn(batch, width).to(dtype), torch.randn(items, width).to(dtype)
    left @ right.T
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        left @ right.T
        taken.append(time.perf_counter() - start)
    return 2 * batch * width * items / statistics.median(taken)


def counter() -> FlopCounterMode:
    """A counter that knows the fused attention of processors too."""

    def forward(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        del args, kwargs
        return flop_counter.sdpa_flop_count(query, key, value)

    def backward(gradient: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        del args, kwargs
        return flop_counter.sdpa_backward_flop_count(gradient, query, key, value)

    known = {ATTENTION: forward, torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: backward}
    return FlopCounterMode(display=False, custom_mapping=known)


def main() -> None:
    """Count, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/diginetica"), help="a dataset folder")
    parser.add_argument("--recipe", default="best", help="a recipe of ours that fits every dataset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of it")
    parser.add_argument("--share", type=float, default=1.0, help="newest share of the sessions")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    overrides = [*wanted.set, f"training.newest_share={wanted.share}"]
    recipe, data = opened(wanted.data, wanted.recipe, overrides)
    assert recipe.training is not None
    counted = Clock(0, COUNTED, ALL)
    with counter() as flops:
        train(recipe, data, counted)
    per_example = flops.get_total_flops() / counted.examples
    dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
    width = inputs.config_of(recipe).item_width
    items = data.catalog.num_items
    items += missing(items, torch.device("cpu"))  # as the loss pads it
    shape = (items, width, recipe.training.batch_size, dtype)
    rates = [rate(*shape)]
    clock, parts = Clock(0, ALL, ALL), Parts()
    started: list[float] = []

    def watched(model: Trainable) -> None:
        parts.callback(model)
        start = model.start_epoch

        def start_epoch(seed: int, epoch: int) -> None:
            start(seed, epoch)
            started.append(time.perf_counter())

        model.start_epoch = start_epoch

    with timing(parts):
        train(recipe, data, clock, watched)
    rates.append(rate(*shape))
    seconds = clock.last - started[0]
    floor = per_example * clock.examples / statistics.mean(rates)
    found = {
        "machine": machine(wanted.threads),
        "versions": versions("torch", "hiersrec"),
        "data": wanted.data.name,
        "recipe": wanted.recipe,
        "settings": overrides,
        "examples": clock.examples,
        "flops_per_example": per_example,
        "dtype": str(dtype).removeprefix("torch."),
        "flops_per_s": rates,
        "seconds": seconds,
        "floor_seconds": floor,
        "ratio": seconds / floor,
        "parts": parts.table(seconds),
    }
    print(found["machine"], found["versions"])
    speed = f"{clock.examples / seconds:,.0f} examples/s, {per_example / 1e6:,.0f} MFLOP an example"
    print(f"{clock.examples:,} examples in {seconds:.1f} s: {speed}")
    speeds = " and ".join(f"{one / 1e9:,.0f}" for one in rates)
    print(f"floor {floor:.1f} s at {speeds} GFLOP/s before and after, {found['dtype']}")
    print(f"ratio {seconds / floor:.2f}\n")
    rows = [[name, f"{one:.1f}", f"{one / seconds:.1%}"] for name, one in parts.table(seconds).items()]
    show(["part", "seconds", "share"], rows)
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
