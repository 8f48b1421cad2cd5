"""What do a training step's time and memory become as the catalogue grows, with each softmax of the item task?

    .venv/bin/python benchmarks/growing_items.py [--json FILE] [--picture docs/figures]

The default recipe, on 20,000 sessions of a made-up shop (shop.py) for each size of the catalogue. Every measurement is
a process of its own that runs the real training loop: seconds an example, over the steps after a warm-up, and the
greatest resident memory. A step that training/memory_estimate.py expects to take more than the limit, 16 GB, is not
run, and its row says so; one that needs more than the limit fails, and its row says that.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import LIMIT, Clock, ask, machine, show, status, stay_below, versions, write_json
from picture import lines
from shop import Shop, write_dataset

ITEMS, SESSIONS = (43_097, 200_000, 1_000_000, 5_000_000), 20_000
RECIPES = {"full": "best", "sampled": "sampled"}
"""Softmax -> the recipe that differs from the default one in that, and in what that requires."""
WARM_UP = 3


def measure(data: Path, softmax: str, clock: Clock) -> dict[str, Any]:
    """Train some steps in this process."""
    from steps import opened, train

    from hiersrec.config import ModelRecipe
    from hiersrec.training.memory_estimate import estimate_memory

    recipe, opened_data = opened(data, RECIPES[softmax], [])
    assert isinstance(recipe, ModelRecipe)
    counted = estimate_memory(recipe, opened_data)
    # There are steps only, no validation and no fit of the tree head.
    need = counted.total - max(counted.step, counted.validation) + counted.step - counted.tree
    if need > LIMIT:
        return {"failed": f"not run, about {need / 1e9:.0f} GB"}
    stay_below(LIMIT)
    try:
        train(recipe, opened_data, clock)
    except RuntimeError as error:  # of torch's allocator
        if "can't allocate memory" not in str(error):
            raise
        return {"failed": f"ended beyond {LIMIT / 1e9:.0f} GB"}
    batch = recipe.training.batch_size
    return {**clock.found(), "batch": batch, "expected_bytes": need, "bytes": status("VmHWM")}


def main() -> None:
    """Measure one here, or all in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=ITEMS)
    parser.add_argument("--softmaxes", nargs="+", default=list(RECIPES), metavar="NAME")
    parser.add_argument("--steps", type=int, default=50, help="most steps of a measurement")
    parser.add_argument("--seconds", type=float, default=30, help="most seconds of a measurement, warm-up aside")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--picture", type=Path, help="folder for growing-items.svg")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        print(json.dumps(measure(wanted.one, wanted.softmaxes[0], Clock(WARM_UP, wanted.steps, wanted.seconds))))
        return
    found: list[dict[str, Any]] = []
    for items in wanted.items:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "shop"
            write_dataset(Shop(items), SESSIONS, data)
            for softmax in wanted.softmaxes:
                limits = ["--steps", str(wanted.steps), "--seconds", str(wanted.seconds)]
                words = [sys.executable, __file__, "--one", data, "--softmaxes", softmax, *limits]
                found.append({"items": items, "softmax": softmax, **ask(words, wanted.threads)})
    print(machine(wanted.threads), versions("torch", "hiersrec"))
    head = ["items, softmax", "ms an example", "examples/s", "peak GB", "peak MB an example of the batch"]
    show(head, [_row(one) for one in found])
    measured = {"machine": machine(wanted.threads), "versions": versions("torch", "hiersrec"), "sizes": found}
    write_json(wanted.json, measured)
    if wanted.picture:
        done = [one for one in found if "failed" not in one]
        time = {name: [(one["items"], 1e3 / one["examples_per_s"]) for one in _of(done, name)] for name in RECIPES}
        memory = {name: [(one["items"], one["bytes"] / 1e9) for one in _of(done, name)] for name in RECIPES}
        axes = {"ms an example": time, "peak memory, GB": memory}
        lines(wanted.picture, "growing-items", "items of the catalogue", axes)


def _row(one: dict[str, Any]) -> list[str]:
    name = f"{one['items']:,}, {one['softmax']}"
    if "failed" in one:
        return [name, one["failed"], "", "", ""]
    speed, size = one["examples_per_s"], one["bytes"]
    return [name, f"{1e3 / speed:.2f}", f"{speed:,.0f}", f"{size / 1e9:.2f}", f"{size / one['batch'] / 1e6:.2f}"]


def _of(found: list[dict[str, Any]], softmax: str) -> list[dict[str, Any]]:
    return [one for one in found if one["softmax"] == softmax]


if __name__ == "__main__":
    main()
