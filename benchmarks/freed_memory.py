"""Does keeping freed memory in the process pay? Training steps of the default recipe with and without it, in turns.

    .venv/bin/python benchmarks/freed_memory.py [--items 43097] [--rounds 3]

Each measurement is a process of its own, since the setting can't be taken back. Sessions are random, of Diginetica's
mean length; the catalogue has 995 categories. Prints examples/s, medians over the rounds, and their ratio.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import torch

from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.item_catalog import Level
from hiersrec.store.sessions import Sessions
from hiersrec.training import allocator
from hiersrec.training.examples import examples_of

CATEGORIES, SESSIONS, LENGTH = 995, 20_000, 5
WARM_UP, STEPS, BATCH = 5, 30, 512


def catalog(items: int) -> Catalog:
    """A catalogue of random categories."""
    random = np.random.default_rng(0)
    nodes = random.integers(1, CATEGORIES + 1, items, np.int32)
    table = pa.table({"item_id": np.arange(1, items + 1), "train_count": np.ones(items, np.int64), "node_1": nodes})
    names: list[str | None] = [None, *(f"c{one}" for one in range(CATEGORIES))]
    return Catalog(table, [Level(CATEGORIES, names, np.zeros(CATEGORIES + 1, np.int32))], [])


def measure(items: int) -> float:
    """Examples per second of this process."""
    recipe = read_recipe(find_recipe("hiersrec", "any"))
    assert isinstance(recipe, ModelRecipe)
    model = build_model(recipe, catalog(items))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    random = np.random.default_rng(0)
    sessions = Sessions(
        random.integers(1, items + 1, SESSIONS * LENGTH, np.int32), np.arange(0, SESSIONS * LENGTH + 1, LENGTH)
    )
    examples = examples_of(sessions, model.max_length, every=False, device=torch.device("cpu"))
    for at, rows in enumerate(examples.batches(BATCH, 0, 0)[: WARM_UP + STEPS]):
        if at == WARM_UP:
            start = time.perf_counter()
        step = examples.step(rows)
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = model.loss(step.items, step.lengths, step.targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return STEPS * BATCH / (time.perf_counter() - start)


def main() -> None:
    """Measure here, or start the processes that do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=43_097)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=["keep", "give-back"])
    wanted = parser.parse_args()
    if wanted.mode:
        if wanted.mode == "keep":
            allocator.keep_freed_memory()
        print(measure(wanted.items))
        return
    found: dict[str, list[float]] = {"give-back": [], "keep": []}
    for _ in range(wanted.rounds):
        for mode, speeds in found.items():
            command = [sys.executable, __file__, "--items", str(wanted.items), "--mode", mode]
            speeds.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    medians = {mode: statistics.median(speeds) for mode, speeds in found.items()}
    for mode, speed in medians.items():
        print(f"{mode:10} {speed:8,.0f} examples/s  (of {', '.join(f'{one:,.0f}' for one in found[mode])})")
    print(f"ratio      {medians['keep'] / medians['give-back']:8.2f}")


if __name__ == "__main__":
    main()
