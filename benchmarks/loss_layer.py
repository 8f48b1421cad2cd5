"""How near is the item softmax to the speed of matrix products, and how much memory does it take?

    .venv/bin/python benchmarks/loss_layer.py [--json FILE]

Forward and backward of the loss over all items, with gradients of the states and of the item table, both float32
parameters: model/losses.cross_entropy under bf16 autocast, as training runs it; cross_entropy(linear()) of torch in
float32 and under bf16 autocast; and torch's chunked linear_cross_entropy in bf16, 256 rows at a time (its own choice of
rows reads the whole table every few rows).

Speed: FLOPs that the loss needs, 6 B N D, over its seconds, as a share of two rates of bf16 products measured in the
same run: of only its own three products, and of one plain product (B, D) x (D, N). The systems take turns in each
round; medians over the rounds. Memory: growth of the resident memory by one forward and backward at its height, each
in a process of its own, as the system gives memory out (kept freed memory would hide it).
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import LIMIT, ask, forget_peak, machine, show, status, stay_below, versions, write_json
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.losses import cross_entropy
from hiersrec.training.allocator import keep_freed_memory

ITEMS, WIDTHS, BATCHES = 43_097, (128, 256, 384), (512, 1024)
CATALOGUES, MEMORY_WIDTH = (43_097, 200_000, 1_000_000), 128
OURS, PLAIN = "hiersrec, bf16", "plain, float32"
BYTES = {OURS: 4.0, PLAIN: 12.0, "plain, bf16": 12.0, "linear_cross_entropy, bf16": 2.0}
"""Bytes a logit that each may take at its height, for deciding what to run; generous for the chunked ones."""


def loss(system: str, state: Tensor, table: Tensor, classes: Tensor) -> Tensor:
    """Mean cross-entropy of softmax(state @ table.T): state (B, D), table (N, D), classes (B,) -> scalar."""
    if system == PLAIN:
        return functional.cross_entropy(functional.linear(state, table), classes)
    if system == "linear_cross_entropy, bf16":
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=256, chunking_method=None, acc_policy="compact")
        return functional.linear_cross_entropy(state.bfloat16(), table.bfloat16(), classes, options=options)
    with torch.autocast("cpu", torch.bfloat16):
        if system == OURS:
            return cross_entropy(state, table, None, classes)
        return functional.cross_entropy(functional.linear(state, table), classes)


def arrays(items: int, batch: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """States (B, D), item table (N, D) and classes (B,)."""
    torch.manual_seed(0)
    state, table = torch.randn(batch, width), torch.randn(items, width) * width**-0.5
    return state.requires_grad_(), table.requires_grad_(), torch.randint(items, (batch,))


def step(system: str, state: Tensor, table: Tensor, classes: Tensor) -> None:
    """Forward and backward."""
    state.grad = table.grad = None
    loss(system, state, table, classes).backward()


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def speeds(items: int, batch: int, width: int, rounds: int) -> dict[str, float]:
    """Median FLOP/s of the two rates and of every system, all with freed memory kept, as training has it."""
    keep_freed_memory()
    given = arrays(items, batch, width)
    state, table = given[0].detach().bfloat16(), given[1].detach().bfloat16()
    probs = torch.rand(batch, items).bfloat16()
    work: dict[str, tuple[int, Callable[[], object]]] = {
        "one product": (1, lambda: state @ table.T),
        "three products": (3, lambda: (state @ table.T, probs @ table, probs.T @ state)),
        **{system: (3, lambda system=system: step(system, *given)) for system in BYTES},
    }
    for _, run in work.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (_, run) in work.items():
            taken[name].append(seconds(run))
    flops = 2 * batch * items * width
    return {name: products * flops / statistics.median(taken[name]) for name, (products, _) in work.items()}


def memory(system: str, items: int, batch: int) -> dict[str, Any]:
    """Bytes by which one forward and backward let this process grow."""
    given = arrays(items, batch, MEMORY_WIDTH)
    few = arrays(64, batch, MEMORY_WIDTH)
    step(system, *few)  # whatever a first call sets up
    forget_peak()
    before = status("VmRSS")
    step(system, *given)
    return {"bytes": status("VmHWM") - before}


def expected(system: str, items: int, batch: int) -> float:
    """Bytes that a measurement of memory may need: logits, the table with its gradient and copies, and Python."""
    return BYTES[system] * items * batch + 16 * items * MEMORY_WIDTH + 5e8


def memories(items: int, batch: int, threads: int) -> dict[str, dict[str, Any]]:
    """Growth of every system at one size, each in a process of its own; or why it was not run."""
    found: dict[str, dict[str, Any]] = {}
    for system in BYTES:
        if (need := expected(system, items, batch)) > LIMIT:
            found[system] = {"failed": f"not run, about {need / 1e9:.0f} GB"}
        else:
            words = [sys.executable, __file__, "--memory", system, "--items", str(items), "--batches", str(batch)]
            found[system] = ask(words, threads)
    return found


def main() -> None:
    """Measure memory here, or everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=ITEMS, help="of the speeds")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--catalogues", type=int, nargs="*", default=CATALOGUES, help="items, of the memory")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--memory", choices=list(BYTES), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.memory:
        stay_below(1.5 * LIMIT)
        print(json.dumps(memory(wanted.memory, wanted.items, wanted.batches[0])))
        return
    torch.set_num_threads(wanted.threads)
    found: dict[str, Any] = {"machine": machine(wanted.threads), "versions": versions("torch", "hiersrec")}
    print(found["machine"], found["versions"])
    found["flops_per_s"], rows = [], []
    for width in wanted.widths:
        for batch in wanted.batches:
            speed = speeds(wanted.items, batch, width, wanted.rounds)
            found["flops_per_s"].append({"items": wanted.items, "batch": batch, "width": width, **speed})
            shares = [f"{speed[OURS] / speed[name]:.0%}" for name in ("three products", "one product")]
            rows.append([f"D = {width}, B = {batch}", *(f"{one / 1e9:,.0f}" for one in speed.values()), *shares])
    show([f"GFLOP/s, {wanted.items:,} items", *speed, "share of three", "share of one"], rows)
    found["memory"], rows = [], []
    for items in wanted.catalogues:
        for batch in wanted.batches:
            grown = memories(items, batch, wanted.threads)
            found["memory"].append({"items": items, "batch": batch, "width": MEMORY_WIDTH, **grown})
            cells = [f"{one['bytes'] / 1e6:,.0f}" if "bytes" in one else one["failed"] for one in grown.values()]
            both = all("bytes" in grown[name] for name in (OURS, PLAIN))
            ratio = f"{grown[OURS]['bytes'] / grown[PLAIN]['bytes']:.2f}" if both else ""
            rows.append([f"{items:,} items, B = {batch}", *cells, ratio])
    if rows:
        print()
        show([f"peak MB, D = {MEMORY_WIDTH}", *BYTES, "ours / plain float32"], rows)
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
