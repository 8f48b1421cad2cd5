"""One trial: a recipe, trained as `hiersrec train` does, and its worth on the validation sessions."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from hiersrec.build import RECIPE, WEIGHTS, open_run
from hiersrec.config import Recipe
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.folder import SEALS
from hiersrec.training.callbacks import Callback, stretch
from hiersrec.training.fit import STATE, train

METRICS = ("mrr@20", "hits@20")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial was worth: metrics of the validation sessions, of the best epoch where there are epochs."""

    valid: dict[str, float]
    epochs: int
    """Epochs trained; 0 for a baseline that counts."""
    seconds: float
    """Of training and validation; of trainings that were resumed, all parts."""


def run(dataset: Dataset, recipe: Recipe, out: Path, callback: Callback) -> Outcome:
    """Train the recipe into the run folder `out`, or go on where a kill left it, and measure it on validation sessions.

    Raises what training/fit.train and evaluation/evaluate.evaluate raise.
    """
    started = time.monotonic()
    if not (out / SEALS["run"]).is_file():
        begun = (out / RECIPE).is_file()
        if not begun:
            shutil.rmtree(out, ignore_errors=True)  # what a kill left of the first moment
        train(dataset, recipe, out, callback, resume=begun)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    if not history:
        return Outcome(valid=_measured(dataset.training(), out, callback), epochs=0, seconds=time.monotonic() - started)
    best = max(history, key=lambda one: one["valid"][METRICS[0]])  # the first of equals, as training has it
    seconds = sum(one["train_s"] + one["valid_s"] for one in history)
    return Outcome(valid={name: best["valid"][name] for name in METRICS}, epochs=len(history), seconds=seconds)


def _measured(data: TrainingData, run: Path, callback: Callback) -> dict[str, float]:
    with stretch(callback, "validation") as seen:
        metrics = evaluate(open_run(run).scorer, data.catalog, data.valid, progress=seen).metrics
    return {name: metrics[name] for name in METRICS}


def slim(folder: Path, keep_weights: bool) -> None:
    """Remove what the run folder of a trial no longer needs; without weights, recipe and history remain."""
    shutil.rmtree(folder / STATE, ignore_errors=True)
    if not keep_weights:
        (folder / WEIGHTS).unlink(missing_ok=True)
        shutil.rmtree(folder / "catalog", ignore_errors=True)
