"""The training loop: epochs of steps, validation after each epoch, early stopping, and a checkpoint to resume from.

The order of examples depends only on (seed, epoch), and checkpoints hold the random state, so an interrupted and
resumed training ends in the same weights as an uninterrupted one. Of several processes (distributed.py) each trains its
share of every batch and ranks its share of the validation, and all get the same losses and metrics.
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
from hiersrec.model.scorer import scorer_of
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable, parameter_count
from hiersrec.store.dataset import TrainingData
from hiersrec.training import allocator, checkpoint, precision, unfinished
from hiersrec.training.callbacks import CallbackGroup, flat_metrics
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import Loss, ProcessGroup, single_process
from hiersrec.training.examples import Examples, Step, examples_of
from hiersrec.training.optimizer import Optimizers, optimizers
from hiersrec.training.progress import ProgressReporter, duration, progress_stage, rates
from hiersrec.training.teachers import Teachers
from hiersrec.types import Int64

SAVE_EVERY = 60.0
"""Seconds between checkpoints inside an epoch: what a kill can cost. Saving takes well under a second."""
SELECT_BY = "mrr@20"
TELL_AFTER = 20.0
"""Seconds of steps after which a line says how long all epochs will take; short first epochs have none."""


@dataclass(frozen=True)
class TrainingSetup:
    """What does not change from step to step."""

    model: Trainable
    loss: Loss
    """The model's; its gradients are averaged over all processes."""
    optimizer: Optimizers
    examples: Examples
    config: Training
    dtype: torch.dtype
    folder: Path
    reporter: ProgressReporter
    processes: ProcessGroup
    teachers: Teachers | None
    callbacks: CallbackGroup


def fit(
    model: Trainable,
    data: TrainingData,
    config: Training,
    folder: Path,
    reporter: ProgressReporter,
    processes: ProcessGroup | None = None,
    teachers: Teachers | None = None,
    callbacks: CallbackGroup | None = None,
) -> Progress:
    """Train `model` in place, leaving the best epoch's weights in folder/best.safetensors; resumes from `folder`.

    Of several processes all call it, with the same weights. Raises HiersrecError if the loss becomes NaN or infinite,
    BadFolder if `folder` holds the training of another number of processes.
    """
    allocator.keep_freed_memory()
    processes = processes or single_process()
    device = processes.device
    model.to(device)
    if teachers is not None:
        teachers.to(device)
    optimizer = optimizers(model, config)
    resumed = (folder / unfinished.LAST).is_file()
    processes.seed_random(config.seed)
    progress = checkpoint.restore(folder, model, optimizer, processes) if resumed else Progress()
    # The first process decides: each measures the speed of its processor, with slightly different results.
    chosen = progress.dtype or str(precision.choose(config.precision, device)).removeprefix("torch.")
    progress.dtype = processes.gather_texts(chosen)[0]
    dtype: torch.dtype = getattr(torch, progress.dtype)
    sessions = data.train.newest(config.newest_share)
    examples = examples_of(sessions, model.max_length, config.positions == "all", device)
    loss = processes.parallel_loss(model)
    callbacks = callbacks or CallbackGroup()
    setup = TrainingSetup(
        model, loss, optimizer, examples, config, dtype, folder, reporter, processes, teachers, callbacks
    )
    reporter.say(
        f"train: {len(examples):,} prefixes, {parameter_count(model):,} parameters, "
        + (f"{processes.count} processes, " if processes.count > 1 else "")
        + f"{device.type}, {progress.dtype}"
        + (f", resumed at epoch {progress.epoch + 1}" if resumed else "")
    )
    steps_per_epoch = math.ceil(len(examples) / config.batch_size)
    with processes.synchronized():
        callbacks.start(steps_per_epoch=steps_per_epoch, epoch=progress.epoch, step=progress.steps)
    while not _is_over(progress, config):
        _epoch(setup, progress)
        _finish_epoch(setup, progress, data)
    return progress


def _is_over(progress: Progress, config: Training) -> bool:
    waited = progress.epoch - progress.best_epoch
    return progress.is_ended or progress.epoch >= config.total_epochs or waited >= config.patience


def _epoch(setup: TrainingSetup, progress: Progress) -> None:
    """Train the remaining steps of the current epoch."""
    config, reporter = setup.config, setup.reporter
    batches = setup.examples.batches(config.batch_size, config.seed, progress.epoch)
    reporter.start(f"train: epoch {progress.epoch + 1}/{config.total_epochs}", len(setup.examples))
    setup.model.train()
    setup.model.start_epoch(config.seed, progress.epoch)
    saved = last = time.monotonic()
    is_told = progress.epoch > 0 or progress.seconds > TELL_AFTER
    for rows in batches[progress.step :]:
        share_done = (progress.epoch + progress.step / len(batches)) / config.total_epochs
        due, metrics = _step(setup, progress, rows, share_done, time.monotonic() - saved > SAVE_EVERY)
        now = time.monotonic()
        progress.seconds += now - last
        last = now
        reporter.step(progress.examples, rates(progress.totals, progress.examples, progress.seconds))
        if not is_told and progress.seconds > TELL_AFTER:
            is_told = True
            seconds = progress.seconds * len(setup.examples) / progress.examples
            reporter.say(f"train: {time_estimate(seconds, config)}")
        if setup.callbacks:
            speed = progress.examples / max(1e-9, progress.seconds)
            setup.callbacks.step(progress.steps, {**metrics, "examples_per_s": speed})
        # Not after the last step: the end of the epoch has its own, and trackers could not tell the two apart.
        if due and progress.step < len(batches):
            checkpoint.save(setup.folder, progress, setup.model, setup.optimizer, setup.processes)
            saved = last = time.monotonic()
    reporter.end()


def time_estimate(seconds: float, config: Training) -> str:
    """How long epochs of this many seconds of steps take; validation comes on top."""
    epochs = config.total_epochs
    text = f"about {duration(seconds)} an epoch, {duration(seconds * epochs)} for {epochs} epochs"
    return (
        text if config.refit else f"{text} at most: it ends after {config.patience} without a better validation MRR@20"
    )


def _step(
    setup: TrainingSetup, progress: Progress, rows: Int64, share_done: float, due: bool
) -> tuple[bool, dict[str, float]]:
    """Train a batch; returns whether a checkpoint is due in any process, and metrics for callbacks."""
    step = _own_step(setup, rows)
    device = step.items.device.type
    decay = 1 - share_done if setup.config.schedule == "linear" else 1
    learning_rate = setup.config.learning_rate * decay
    setup.optimizer.set_learning_rate(learning_rate)
    with torch.autocast(device, setup.dtype, enabled=setup.dtype != torch.float32):
        targets = step.targets if setup.teachers is None else setup.teachers.teach(step, setup.dtype)
        loss, parts = setup.loss(step.items, step.lengths, targets)
    setup.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    setup.processes.average_sparse_gradients(optimizer.table for optimizer in setup.optimizer.rows)
    setup.optimizer.step()
    # One tensor, so that a GPU is waited for only once.
    own = torch.stack([loss, *parts.values(), torch.full_like(loss, due)]).detach()
    total, *values, any_due = setup.processes.mean(own).tolist()
    losses = dict(zip(parts, values, strict=True))
    if not math.isfinite(total):
        raise HiersrecError(
            f"The loss became NaN or infinite in epoch {progress.epoch + 1}, step {progress.step + 1} "
            f"({', '.join(f'{name} {value:.4g}' for name, value in losses.items())}). "
            "Train again with a lower training.learning_rate" + _start_over(setup.folder)
        )
    count = setup.examples.count(rows)
    progress.step += 1
    progress.steps += 1
    progress.examples += count
    for name, value in losses.items():
        progress.totals[name] = progress.totals.get(name, 0.0) + value * count
    return bool(any_due), {**{f"loss/{name}": value for name, value in losses.items()}, "learning_rate": learning_rate}


def _start_over(state: Path) -> str:
    """The rest of the way out: nothing, or what becomes of an unfinished training that is left."""
    is_left = (state / unfinished.LAST).is_file()
    return f" and --overwrite: if {state.parent} is resumed, it diverges again." if is_left else "."


def _own_step(setup: TrainingSetup, rows: Int64) -> Step:
    """A process's share of a batch. If that is empty, a row without labels, since every step needs all processes."""
    if len(own := setup.processes.share(rows)):
        return setup.examples.step(own)
    items, lengths, targets = setup.examples.step(rows[:1])
    types = None if targets.event_types is None else torch.zeros_like(targets.event_types)
    return Step(items, lengths, Targets(torch.zeros_like(targets.items), types, targets.every))


def _finish_epoch(setup: TrainingSetup, progress: Progress, data: TrainingData) -> None:
    """Validate, keep the weights if they are the best so far, and save a checkpoint."""
    progress.epoch += 1
    record: dict[str, Any] = {
        "epoch": progress.epoch,
        "loss": {name: total / max(1, progress.examples) for name, total in progress.totals.items()},
        **setup.model.moving_weights(),
        "examples_per_s": progress.examples / max(1e-9, progress.seconds),
        "train_s": progress.seconds,
    }
    line = rates(progress.totals, progress.examples, progress.seconds)
    is_best = setup.config.refit  # without validation the newest weights are kept
    if not setup.config.refit:
        record |= (validation := _validation(setup, data))
        metrics = validation["valid"]
        is_best = metrics[SELECT_BY] > progress.best
        progress.best = max(progress.best, metrics[SELECT_BY])
        line += f"; validation MRR@20 {metrics[SELECT_BY]:.4f}, HITS@20 {metrics['hits@20']:.4f}"
        line += f" in {validation['valid_s']:.0f} s"
    setup.reporter.say(f"train: epoch {progress.epoch}: {line}")
    progress.history.append(record)
    progress.step, progress.examples, progress.seconds, progress.totals = 0, 0, 0.0, {}
    if is_best:
        progress.best_epoch = progress.epoch
        checkpoint.save_best(setup.folder, setup.model, setup.processes)
    # Before the checkpoint: after a kill in between the epoch is reported again, and trackers drop what came after the
    # last checkpoint. The other way round it would never be reported.
    metrics = flat_metrics({name: value for name, value in record.items() if name != "epoch"})
    is_ended = setup.callbacks.epoch(progress.epoch, metrics)
    progress.is_ended = setup.processes.gather_texts(str(is_ended))[0] == str(True)  # only the first has callbacks
    checkpoint.save(setup.folder, progress, setup.model, setup.optimizer, setup.processes)


def _validation(setup: TrainingSetup, data: TrainingData) -> dict[str, Any]:
    """Seconds, and metrics at 20 by name, for the record of an epoch."""
    start = time.monotonic()
    with progress_stage(setup.reporter, "train: validation") as report:
        scorer = scorer_of(setup.model.eval())
        metrics = evaluate(scorer, data.catalog, data.valid, progress=report, share=setup.processes).metrics
    at_20 = {name: value for name, value in metrics.items() if name.endswith("@20") and "within_" not in name}
    return {"valid_s": time.monotonic() - start, "valid": at_20}
