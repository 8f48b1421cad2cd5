"""The training loop: epochs of steps, validation after each, early stopping, and a moment on disk to go on from.

The order of examples depends on (seed, epoch) alone and the random state is part of the moment, so a training that was
interrupted and resumed ends in the same weights as one that was not. Of several processes (distributed.py) each trains
its share of every batch and ranks its share of the validation, and all of them know the same losses and metrics.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hiersrec.config import Training
from hiersrec.errors import HiersrecError
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.scorer import TrainedScorer
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable, parameter_count
from hiersrec.store.dataset import TrainingData
from hiersrec.training import allocator, checkpoint, precision
from hiersrec.training.callbacks import Callback, progress_stage, rates
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import Loss, ProcessGroup, single_process
from hiersrec.training.examples import Examples, Step, examples_of
from hiersrec.training.optimizer import Optimizers, optimizers
from hiersrec.training.teachers import Teachers
from hiersrec.types import Int64

SAVE_EVERY = 60.0
"""Seconds between moments inside an epoch: what a kill can cost. Saving takes well under one of them."""
SELECT_BY = "mrr@20"


@dataclass(frozen=True)
class TrainingSetup:
    """What one training works with, all of it made before the first step."""

    model: Trainable
    loss: Loss
    """The model's; the gradients that it leaves are those of all processes."""
    optimizer: Optimizers
    examples: Examples
    config: Training
    dtype: torch.dtype
    folder: Path
    callback: Callback
    processes: ProcessGroup
    teachers: Teachers | None


def fit(
    model: Trainable,
    data: TrainingData,
    config: Training,
    folder: Path,
    callback: Callback,
    processes: ProcessGroup | None = None,
    teachers: Teachers | None = None,
) -> Progress:
    """Train `model` in place, leaving the best epoch's weights in folder/best.safetensors; resumes from `folder`.

    Of several processes all call it, with the same weights. Raises HiersrecError if the loss stops being a number,
    BadFolder if `folder` holds the training of another number of processes.
    """
    allocator.keep_freed_memory()
    processes = processes or single_process()
    device = processes.device
    model.to(device)
    if teachers is not None:
        teachers.to(device)
    optimizer = optimizers(model, config)
    resumed = (folder / checkpoint.LAST).is_file()
    processes.start_random(config.seed)
    progress = checkpoint.restore(folder, model, optimizer, processes) if resumed else Progress()
    # One dtype for all: processors that take turns measure their speed a little differently.
    chosen = progress.dtype or str(precision.choose(config.precision, device)).removeprefix("torch.")
    progress.dtype = processes.texts(chosen)[0]
    dtype: torch.dtype = getattr(torch, progress.dtype)
    sessions = data.train.newest(config.newest_share)
    examples = examples_of(sessions, model.max_length, config.positions == "all", device)
    loss = processes.loss_of(model)
    setup = TrainingSetup(model, loss, optimizer, examples, config, dtype, folder, callback, processes, teachers)
    callback.say(
        f"train: {len(examples):,} prefixes, {parameter_count(model):,} parameters, "
        + (f"{processes.count} processes, " if processes.count > 1 else "")
        + f"{device.type}, {progress.dtype}"
        + (f", resumed at epoch {progress.epoch + 1}" if resumed else "")
    )
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch < config.patience:
        _epoch(setup, progress)
        _finish_epoch(setup, progress, data)
    return progress


def _epoch(setup: TrainingSetup, progress: Progress) -> None:
    """Do what is left of the epoch in hand."""
    config, callback = setup.config, setup.callback
    batches = setup.examples.batches(config.batch_size, config.seed, progress.epoch)
    callback.start(f"train: epoch {progress.epoch + 1}/{config.epochs}", len(setup.examples))
    setup.model.train()
    setup.model.start_epoch(config.seed, progress.epoch)
    saved = last = time.monotonic()
    for rows in batches[progress.step :]:
        share_done = (progress.epoch + progress.step / len(batches)) / config.epochs
        due = _step(setup, progress, rows, share_done, time.monotonic() - saved > SAVE_EVERY)
        now = time.monotonic()
        progress.seconds += now - last
        last = now
        callback.step(progress.examples, rates(progress.totals, progress.examples, progress.seconds))
        if due:
            checkpoint.save(setup.folder, progress, setup.model, setup.optimizer, setup.processes)
            saved = last = time.monotonic()
    callback.end()


def _step(setup: TrainingSetup, progress: Progress, rows: Int64, share_done: float, due: bool) -> bool:
    """Train a batch; gives back whether a moment is due in any of the processes."""
    step = _share_of(setup, rows)
    device = step.items.device.type
    falling = 1 - share_done if setup.config.schedule == "linear" else 1
    setup.optimizer.set_learning_rate(setup.config.learning_rate * falling)
    with torch.autocast(device, setup.dtype, enabled=setup.dtype != torch.float32):
        targets = step.targets if setup.teachers is None else setup.teachers.teach(step, setup.dtype)
        loss, each = setup.loss(step.items, step.lengths, targets)
    setup.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    setup.processes.average_rows(one.table for one in setup.optimizer.rows)
    setup.optimizer.step()
    known = torch.stack([loss, *each.values(), torch.full_like(loss, due)]).detach()
    # All at once: a GPU is asked, and waited for, once.
    total, *values, any_due = setup.processes.mean(known).tolist()
    _check(total, dict(zip(each, values, strict=True)), progress)
    progress.step += 1
    count = setup.examples.count(rows)
    progress.examples += count
    for name, value in zip(each, values, strict=True):
        progress.totals[name] = progress.totals.get(name, 0.0) + value * count
    return bool(any_due)


def _share_of(setup: TrainingSetup, rows: Int64) -> Step:
    """What this process trains of a batch; where that is nothing, a row without a label: all take part in each step."""
    if len(own := setup.processes.share(rows)):
        return setup.examples.step(own)
    items, lengths, targets = setup.examples.step(rows[:1])
    types = None if targets.event_types is None else torch.zeros_like(targets.event_types)
    return Step(items, lengths, Targets(torch.zeros_like(targets.items), types, targets.every))


def _check(loss: float, each: dict[str, float], progress: Progress) -> None:
    if not math.isfinite(loss):
        losses = ", ".join(f"{name} {value:.4g}" for name, value in each.items())
        raise HiersrecError(
            f"The loss is no number any more in epoch {progress.epoch + 1}, step {progress.step + 1} ({losses}). "
            "Train again with a lower training.learning_rate."
        )


def _finish_epoch(setup: TrainingSetup, progress: Progress, data: TrainingData) -> None:
    """Validate, keep the weights if they are the best so far, and write the moment."""
    progress.epoch += 1
    record: dict[str, Any] = {
        "epoch": progress.epoch,
        "loss": {name: total / max(1, progress.examples) for name, total in progress.totals.items()},
        **setup.model.moving_weights(),
        "examples_per_s": progress.examples / max(1e-9, progress.seconds),
        "train_s": progress.seconds,
    }
    said = rates(progress.totals, progress.examples, progress.seconds)
    is_best = setup.config.refit  # nothing is measured then, and the newest weights are kept
    if not setup.config.refit:
        record |= (measured := _validation(setup, data))
        found = measured["valid"]
        is_best = found[SELECT_BY] > progress.best
        progress.best = max(progress.best, found[SELECT_BY])
        said += (
            f"; validation MRR@20 {found[SELECT_BY]:.4f}, HITS@20 {found['hits@20']:.4f} in {measured['valid_s']:.0f} s"
        )
    setup.callback.say(f"train: epoch {progress.epoch}: {said}")
    progress.history.append(record)
    progress.step, progress.examples, progress.seconds, progress.totals = 0, 0, 0.0, {}
    if is_best:
        progress.best_epoch = progress.epoch
        checkpoint.save_best(setup.folder, setup.model, setup.processes)
    checkpoint.save(setup.folder, progress, setup.model, setup.optimizer, setup.processes)


def _validation(setup: TrainingSetup, data: TrainingData) -> dict[str, Any]:
    """Seconds and metrics, by name."""
    start = time.monotonic()
    with progress_stage(setup.callback, "train: validation") as seen:
        scorer = TrainedScorer(setup.model.eval())
        found = evaluate(scorer, data.catalog, data.valid, progress=seen, share=setup.processes).metrics
    kept = {name: value for name, value in found.items() if name.endswith("@20") and "within_" not in name}
    return {"valid_s": time.monotonic() - start, "valid": kept}
