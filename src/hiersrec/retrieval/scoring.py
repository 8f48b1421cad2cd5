"""The one path from sessions to scores: evaluation, recommendation and serving all ask scorers through here.

A scorer is asked only about sessions with at least one known item, and sees only the last `max_length` of its items.
Sessions without any are answered by popularity in training. Scores that are not numbers stop everything. Items that are
not to be listed, seen ones or those that are no candidates, get minus infinity here, before any list or rank.
"""

import numpy as np

from hiersrec.errors import HiersrecError
from hiersrec.retrieval.candidates import ALL, Candidates, admits, inside
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import Batch, Float32, Int64, Scorer, Scores


def score(
    scorer: Scorer, catalog: ItemCatalog, batch: Batch, exclude_seen: bool = False, candidates: Candidates = ALL
) -> Scores:
    """Scores of all items, and of the classes of every task that the scorer predicts, for each session of the batch.

    `batch` holds whole sessions, or as much as is at hand; with `exclude_seen` every item in it gets minus infinity,
    and so does every item that is not among the `candidates` of its session. Raises HiersrecError if a score is NaN or
    plus infinity, BadInput if candidates need categories and the scorer predicts none.
    """
    rows = np.flatnonzero(batch.lengths)
    # With nothing to ask about, one session of item 1 still tells which tasks the scorer predicts.
    asked = (
        newest(batch, rows, scorer.max_length) if len(rows) else Batch(np.ones((1, 1), np.int32), np.ones(1, np.int32))
    )
    answer = scorer.score(asked)
    counts = {"items": catalog.train_count, **{task: catalog.labels[task].train_count for task in answer.tasks}}
    items = filled("items", answer.items, counts["items"], rows, len(batch))
    tasks = {task: filled(task, found, counts[task], rows, len(batch)) for task, found in answer.tasks.items()}
    whole = Scores(items, tasks)
    if candidates.policy != "all":
        seen = newest(batch, np.arange(len(batch)), scorer.max_length)
        items[~inside(candidates, admits(catalog, whole.categories), seen)] = -np.inf
    if exclude_seen:
        is_item = np.arange(batch.items.shape[1]) < batch.lengths[:, None]  # (B, T)
        items[np.nonzero(is_item)[0], batch.items[is_item]] = -np.inf
    return whole


def newest(batch: Batch, rows: Int64, max_length: int) -> Batch:
    """Some sessions of a batch, each cut to its last `max_length` items."""
    items, lengths = batch.items[rows], batch.lengths[rows]
    if items.shape[1] <= max_length:
        return Batch(items, lengths)
    kept = np.minimum(lengths, max_length)
    at = (lengths - kept)[:, None] + np.arange(kept.max())  # (R, T)
    inside = np.arange(kept.max()) < kept[:, None]  # (R, T)
    cut = np.zeros(at.shape, np.int32)
    cut[inside] = items[np.nonzero(inside)[0], at[inside]]
    return Batch(cut, kept)


def not_numbers(task: str, found: np.float32) -> HiersrecError:
    """What to say of scores that contain NaN or infinity."""
    return HiersrecError(
        f"The scores of {task} contain {found}; they must be numbers. The model is broken, most likely because its "
        "training diverged: train it again with a lower training.learning_rate."
    )


def filled(task: str, answer: Float32, counts: Int64, rows: Int64, size: int) -> Float32:
    """Check the scorer's answer on a task, fill in the sessions it was not asked about, close column 0.

    counts: (C + 1,) int64, training events of each class, the answer to a session of which nothing is known.
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
