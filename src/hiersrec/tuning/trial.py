"""One trial: train a recipe as `hiersrec train` does, and evaluate it on the validation sessions."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hiersrec.build import WEIGHTS, open_run
from hiersrec.config import Recipe
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.model.scorer import ModelScorer
from hiersrec.store.dataset import Dataset, TrainingData
from hiersrec.store.lock import lock_file
from hiersrec.training.fit import train
from hiersrec.training.progress import ProgressReporter, progress_stage
from hiersrec.training.unfinished import STATE, is_begun, is_sealed
from hiersrec.tuning.goal import OF_EPOCHS, Goal
from hiersrec.tuning.pruning import Curve, Pruner
from hiersrec.types import Scorer


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of a trial: metrics of the validation sessions, at the best epoch if there are epochs."""

    valid: dict[str, float]
    epochs: int
    """Epochs trained; 0 for a baseline without [training]."""
    seconds: float
    """Time of training and validation, including the parts before a stop."""
    curve: list[float]
    """What the search optimises, after each epoch; empty where epochs are not validated with it."""


def run(
    dataset: Dataset,
    recipe: Recipe,
    out: Path,
    reporter: ProgressReporter,
    goal: Goal | None = None,
    earlier: Sequence[Curve] = (),
) -> Outcome:
    """Train the recipe into the run folder `out`, or resume that, and evaluate it on the validation sessions.

    A goal that the epochs were not validated with is measured on the weights that the run keeps, and so is every metric
    where a number was added to the scores after the last epoch. earlier: the curves of other trials; a trial that is
    behind them ends early (pruning.py). Raises what training/fit.train and evaluation/evaluate.evaluate raise.
    """
    started, goal = time.monotonic(), goal or Goal()
    is_of_epochs = goal.metric in OF_EPOCHS
    if not is_sealed(out):
        callbacks = [Pruner(goal.metric, earlier, reporter.say)] * is_of_epochs
        train(dataset, recipe, out, reporter, resume=is_begun(out), callbacks=callbacks)
    history = [json.loads(line) for line in (out / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    scorer = open_run(out).scorer
    if not history:
        valid = _evaluated(dataset.training(), scorer, reporter, goal)
        return Outcome(valid=valid, epochs=0, seconds=time.monotonic() - started, curve=[])
    best = max(history, key=lambda epoch: epoch["valid"][OF_EPOCHS[0]])  # ties: the first, as in training
    seconds = sum(epoch["train_s"] + epoch["valid_s"] for epoch in history)
    valid = {name: best["valid"][name] for name in OF_EPOCHS}
    # What was chosen after the last epoch (training/finish_terms.py) is in no validation of the history.
    is_changed = isinstance(scorer, ModelScorer) and any(choice.number for choice in scorer.model.choices.values())
    if not is_of_epochs or is_changed:
        started = time.monotonic()
        valid = _evaluated(dataset.training(), scorer, reporter, goal)
        seconds += time.monotonic() - started
    curve = [epoch["valid"][goal.metric] for epoch in history] if is_of_epochs else []
    return Outcome(valid=valid, epochs=len(history), seconds=seconds, curve=curve)


def _evaluated(data: TrainingData, scorer: Scorer, reporter: ProgressReporter, goal: Goal) -> dict[str, float]:
    """The reported metrics, of the weights that a run keeps."""
    kinds = dict.fromkeys(["mrr", "hits", goal.kind])
    options = EvaluationOptions(k=(20, goal.k), metrics=tuple(kinds))
    with progress_stage(reporter, "validation") as progress:
        metrics = evaluate(scorer, data.catalog, data.valid, options, progress).metrics
    if goal.metric not in metrics:
        raise goal.not_predicted()
    return {name: metrics[name] for name in (*OF_EPOCHS, goal.metric)}


def slim(folder: Path, keep_weights: bool) -> None:
    """Delete the checkpoint from the run folder of a trial, and without `keep_weights` all but recipe and history."""
    shutil.rmtree(folder / STATE, ignore_errors=True)
    lock_file(folder).unlink(missing_ok=True)  # of a training that was killed; the search has a lock of its own
    if not keep_weights:
        (folder / WEIGHTS).unlink(missing_ok=True)
        shutil.rmtree(folder / "catalog", ignore_errors=True)
