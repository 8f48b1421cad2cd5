"""The training loop: epochs of steps, validation after each, early stopping, and a moment on disk to go on from.

The order of examples depends on (seed, epoch) alone and the random state is part of the moment, so a training that was
interrupted and resumed ends in the same weights as one that was not.
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
from hiersrec.model.trainable import Trainable
from hiersrec.store.dataset import TrainingData
from hiersrec.training import checkpoint, memory, precision
from hiersrec.training.checkpoint import Progress
from hiersrec.training.examples import Examples, examples_of
from hiersrec.training.watch import Watch, rates, stretch
from hiersrec.types import Int64

SAVE_EVERY = 60.0
"""Seconds between moments inside an epoch: what a kill can cost. Saving takes well under one of them."""
SELECT_BY = "mrr@20"


@dataclass(frozen=True)
class Stage:
    """What one training works with, all of it made before the first step."""

    model: Trainable
    optimizer: torch.optim.Optimizer
    examples: Examples
    config: Training
    dtype: torch.dtype
    folder: Path
    watch: Watch


def fit(model: Trainable, data: TrainingData, config: Training, folder: Path, watch: Watch) -> Progress:
    """Train `model` in place, leaving the best epoch's weights in folder/best.safetensors; resumes from `folder`.

    Raises HiersrecError if the loss stops being a number.
    """
    memory.keep_freed()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    decay = config.weight_decay
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=decay, fused=True)
    resumed = (folder / checkpoint.LAST).is_file()
    progress = checkpoint.restore(folder, model, optimizer) if resumed else Progress()
    progress.dtype = progress.dtype or str(precision.choose(config.precision, device)).removeprefix("torch.")
    dtype: torch.dtype = getattr(torch, progress.dtype)
    sessions = data.train.newest(config.newest_share)
    examples = examples_of(sessions, model.max_length, config.positions == "all", device)
    stage = Stage(model, optimizer, examples, config, dtype, folder, watch)
    watch.say(
        f"train: {len(examples):,} prefixes, {_numbers(model):,} parameters, {device.type}, "
        f"{progress.dtype}" + (f", resumed at epoch {progress.epoch + 1}" if resumed else "")
    )
    while progress.epoch < config.epochs and progress.epoch - progress.best_epoch < config.patience:
        _epoch(stage, progress)
        _finish_epoch(stage, progress, data)
    return progress


def _epoch(stage: Stage, progress: Progress) -> None:
    """Do what is left of the epoch in hand."""
    config, watch = stage.config, stage.watch
    batches = stage.examples.batches(config.batch_size, config.seed, progress.epoch)
    watch.start(f"train: epoch {progress.epoch + 1}/{config.epochs}", len(stage.examples))
    stage.model.train()
    stage.model.start_epoch(config.seed, progress.epoch)
    saved = last = time.monotonic()
    for rows in batches[progress.step :]:
        share_done = (progress.epoch + progress.step / len(batches)) / config.epochs
        _step(stage, progress, rows, share_done)
        now = time.monotonic()
        progress.seconds += now - last
        last = now
        watch.step(progress.examples, rates(progress.totals, progress.examples, progress.seconds))
        if now - saved > SAVE_EVERY:
            checkpoint.save(stage.folder, progress, stage.model, stage.optimizer)
            saved = last = time.monotonic()
    watch.end()


def _step(stage: Stage, progress: Progress, rows: Int64, share_done: float) -> None:
    step = stage.examples.step(rows)
    device = step.items.device.type
    for group in stage.optimizer.param_groups:
        group["lr"] = stage.config.learning_rate * (1 - share_done if stage.config.schedule == "linear" else 1)
    with torch.autocast(device, stage.dtype, enabled=stage.dtype != torch.float32):
        loss, each = stage.model.loss(step.items, step.lengths, step.targets)
    stage.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    stage.optimizer.step()
    total, *values = torch.stack([loss, *each.values()]).tolist()  # all at once: a GPU is asked, and waited for, once
    _check(total, dict(zip(each, values, strict=True)), progress)
    progress.step += 1
    count = stage.examples.count(rows)
    progress.examples += count
    for name, value in zip(each, values, strict=True):
        progress.totals[name] = progress.totals.get(name, 0.0) + value * count


def _check(loss: float, each: dict[str, float], progress: Progress) -> None:
    if not math.isfinite(loss):
        losses = ", ".join(f"{name} {value:.4g}" for name, value in each.items())
        raise HiersrecError(
            f"The loss is no number any more in epoch {progress.epoch + 1}, step {progress.step + 1} ({losses}). "
            "Train again with a lower training.learning_rate."
        )


def _finish_epoch(stage: Stage, progress: Progress, data: TrainingData) -> None:
    """Validate, keep the weights if they are the best so far, and write the moment."""
    start = time.monotonic()
    watch = stage.watch
    with stretch(watch, "train: validation") as seen:
        found = evaluate(TrainedScorer(stage.model), data.catalog, data.valid, progress=seen).metrics
    progress.epoch += 1
    record: dict[str, Any] = {
        "epoch": progress.epoch,
        "loss": {name: total / max(1, progress.examples) for name, total in progress.totals.items()},
        **stage.model.moving_weights(),
        "examples_per_s": progress.examples / max(1e-9, progress.seconds),
        "train_s": progress.seconds,
        "valid_s": time.monotonic() - start,
        "valid": {name: value for name, value in found.items() if name.endswith("@20") and "within_" not in name},
    }
    speed = rates(progress.totals, progress.examples, progress.seconds)
    watch.say(
        f"train: epoch {progress.epoch}: {speed}; validation MRR@20 {found[SELECT_BY]:.4f}, "
        f"HITS@20 {found['hits@20']:.4f} in {record['valid_s']:.0f} s"
    )
    progress.history.append(record)
    progress.step, progress.examples, progress.seconds, progress.totals = 0, 0, 0.0, {}
    if found[SELECT_BY] > progress.best:
        progress.best, progress.best_epoch = found[SELECT_BY], progress.epoch
        checkpoint.save_best(stage.folder, stage.model)
    checkpoint.save(stage.folder, progress, stage.model, stage.optimizer)


def _numbers(model: Trainable) -> int:
    return sum(one.numel() for one in model.parameters())
