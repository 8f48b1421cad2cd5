"""The one path from sessions to scores: evaluation, recommendation and serving all call scorers through here.

A scorer gets only sessions with at least one known item, and only the last `max_length` of their items. Sessions
without any are answered by popularity in training. Scores that are NaN or plus infinity raise. Items that may not be
listed, because they were seen or are no candidates, get minus infinity here, before any list or rank.
"""

from collections.abc import Mapping

import numpy as np

from hiersrec.errors import HiersrecError
from hiersrec.retrieval.candidates import ALL, Candidates, candidate_items
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.paths import PATH, level_scores
from hiersrec.types import Batch, Float32, Float64, Int64, Scorer, Scores

NONE = 1e-9
"""Training events of a path without any, so that it has a logarithm."""


def score(
    scorer: Scorer, catalog: ItemCatalog, batch: Batch, exclude_seen: bool = False, candidates: Candidates = ALL
) -> Scores:
    """Scores of all items, and of the classes of every task that the scorer predicts, for each session of the batch.

    `batch` holds whole sessions, or as much as there is; with `exclude_seen` every item in it gets minus infinity,
    and so does every item that is not among the `candidates` of its session. Raises HiersrecError if a score is NaN or
    plus infinity, BadInput if candidates need categories and the scorer predicts none.
    """
    known, sessions = known_sessions(batch, scorer.max_length)
    scores = scorer.score(sessions)
    items = filled("items", scores.items, catalog.train_count, known, len(batch))
    scores = Scores(items, filled_tasks(scores.tasks, catalog, known, len(batch)))
    if candidates.policy != "all":
        seen = newest(batch, np.arange(len(batch)), scorer.max_length)
        items[~candidate_items(candidates, catalog, scores.tasks, seen)] = -np.inf
    if exclude_seen:
        is_item = batch.is_item
        items[np.nonzero(is_item)[0], batch.items[is_item]] = -np.inf
    return scores


def filled_tasks(tasks: Mapping[str, Float32], catalog: ItemCatalog, known: Int64, size: int) -> dict[str, Float32]:
    """Answers on tasks as `filled` has them, and of a model that predicts paths the scores of every level too.

    known: (R,) rows of the sessions with a known item, of `size` in all. Paths of the others have logarithms of counts,
    so that their softmax is the share of each in training.
    """
    whole = {}
    for task, answer in tasks.items():
        counts: Int64 | Float64 = catalog.labels[task].train_count
        if task == PATH and len(known) < size:
            counts = np.log(np.maximum(counts, NONE))
        whole[task] = filled(task, answer, counts, known, size)
    if PATH in whole:
        whole |= level_scores(catalog.levels, whole[PATH])
    return whole


def known_sessions(batch: Batch, max_length: int) -> tuple[Int64, Batch]:
    """Rows (R,) of the sessions with a known item, and these sessions, each cut to its last `max_length` items.

    Where there is none, the batch is one session of item 1: its answer tells which tasks are predicted.
    """
    rows = np.flatnonzero(batch.lengths)
    if not len(rows):
        return rows, Batch(np.ones((1, 1), np.int32), np.ones(1, np.int32))
    return rows, newest(batch, rows, max_length)


def newest(batch: Batch, rows: Int64, max_length: int) -> Batch:
    """Some sessions of a batch, each cut to its last `max_length` items."""
    items, lengths = batch.items[rows], batch.lengths[rows]
    if items.shape[1] <= max_length:
        return Batch(items, lengths)
    kept = np.minimum(lengths, max_length)
    positions = (lengths - kept)[:, None] + np.arange(kept.max())  # (R, T)
    inside = np.arange(kept.max()) < kept[:, None]  # (R, T)
    cut = np.zeros(positions.shape, np.int32)
    cut[inside] = items[np.nonzero(inside)[0], positions[inside]]
    return Batch(cut, kept)


def not_numbers(task: str, score: np.float32) -> HiersrecError:
    """The error for scores that contain NaN or infinity."""
    return HiersrecError(
        f"The scores of {task} contain {score}; they must be numbers. The model is broken, most likely because its "
        "training diverged: train it again with a lower training.learning_rate."
    )


def filled(task: str, answer: Float32, counts: Int64 | Float64, rows: Int64, size: int) -> Float32:
    """Check a scorer's answer on a task, add the sessions without a known item, set column 0 to minus infinity.

    counts: (C + 1,), training events of each class, the scores of a session without a known item. rows: (R,) of
    the other sessions, of `size` in all.
    """
    assert answer.dtype == np.float32, (task, answer.dtype)
    assert answer.shape == (max(1, len(rows)), len(counts)), (task, answer.shape)
    top = answer[:, 1:].max(axis=1, initial=-np.inf)  # NaN if the row holds one
    if not (top < np.inf).all():
        raise not_numbers(task, top[~(top < np.inf)][0])
    if len(rows) == size:
        whole = answer  # ours to change, see types.Scorer
    else:
        whole = np.tile(counts.astype(np.float32), (size, 1))
        whole[rows] = answer[: len(rows)]
    whole[:, 0] = -np.inf
    return whole
