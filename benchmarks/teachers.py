"""What do teachers add to a step of training?

    .venv/bin/python benchmarks/teachers.py [--data data/diginetica] [--recipe best] [--threads 1] [--rounds 3]

Steps of the real loop with none, one and two teachers, in turns; medians over the rounds. Teachers are models of the
student's own recipe that are not trained: what they predict is of no use, and takes as long. Without smoothing
inside the category, which teachers replace.
"""

import argparse
import os
import statistics
from pathlib import Path

import torch
from measuring import Clock, machine, show, versions, write_json
from steps import opened, train

from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.training.allocator import keep_freed_memory
from hiersrec.training.teachers import Teachers

WARM_UP, STEPS, SECONDS = 3, 12, 600.0
NUMBERS = (0, 1, 2)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/diginetica"), help="a dataset folder")
    parser.add_argument("--recipe", default="best", help="a recipe of ours that fits every dataset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    keep_freed_memory()
    recipe, data = opened(wanted.data, wanted.recipe, ["tasks.item.smoothing=0", *wanted.set])
    assert isinstance(recipe, ModelRecipe)
    teacher = build_model(recipe, data.catalog).eval().requires_grad_(False)
    speeds: dict[int, list[float]] = {number: [] for number in NUMBERS}
    for _ in range(wanted.rounds):
        for number, found in speeds.items():
            clock = Clock(WARM_UP, STEPS, SECONDS)
            train(recipe, data, clock, teachers=Teachers((teacher,) * number, 0.5, ()) if number else None)
            found.append(clock.found()["examples_per_s"])
    print(machine(wanted.threads), versions("torch", "hiersrec"))
    medians = {number: statistics.median(found) for number, found in speeds.items()}
    rows = [[str(number), f"{speed:,.0f}", f"{medians[0] / speed:.2f}"] for number, speed in medians.items()]
    show(["teachers", "examples/s", "step time, none = 1"], rows)
    document = {"machine": machine(wanted.threads), "data": wanted.data.name, "examples_per_s": speeds}
    write_json(wanted.json, document)


if __name__ == "__main__":
    main()
