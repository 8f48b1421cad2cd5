"""Score parts -> reasons that a person can read, and that add up to the score exactly.

The hierarchical model's item score is linear in what it adds together (paper, eq. 3-4): the session itself, each
category task's prediction sent through its projection, and the item's bias. So a reason is exact, no estimate.
"""

from collections.abc import Mapping

import numpy as np

from hiersrec.serving.answers import Guess, Pull, Reason
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import CATEGORY, Float32, Float64, ScorePart

STRONGEST = 3
"""Categories named in one reason."""
GUESSES = 5
"""Categories listed for one level."""


def probabilities(logits: Float32) -> Float64:
    """Softmax over the known classes of one session: (C + 1,) logits -> (C + 1,) float64, 0 for padding."""
    exact = logits.astype(np.float64)
    weights = np.exp(exact - exact.max())  # column 0 is minus infinity, so its weight is 0
    return np.asarray(weights / weights.sum())


def shares(counts: Float32) -> Float64:
    """Counts of the known classes, the scores of an empty session, as shares: (C + 1,) float64."""
    exact = np.where(counts > 0, counts, 0).astype(np.float64)
    return np.asarray(exact / max(1.0, exact.sum()))


def guesses(catalog: ItemCatalog, task: str, probability: Float64) -> list[Guess]:
    """The likeliest classes of a task, given (C + 1,) probabilities; equal ones in catalogue order."""
    best = np.argsort(-probability[1:], kind="stable")[:GUESSES] + 1
    names = catalog.labels[task].names
    return [
        Guess(task, names[c - 1], _path(catalog, task, c, names[c - 1]), float(probability[c])) for c in best.tolist()
    ]


def reasons(catalog: ItemCatalog, chances: Mapping[str, Float64], parts: list[ScorePart]) -> list[list[Reason]]:
    """The reasons of each of the K items that `parts` split, in the order of the parts.

    chances: task -> (C + 1,) probabilities of this session. A part with `by_class` is of a task.
    """
    return [[_reason(catalog, part, rank, chances) for part in parts] for rank in range(len(parts[0].values))]


def _reason(catalog: ItemCatalog, part: ScorePart, rank: int, chances: Mapping[str, Float64]) -> Reason:
    value = float(part.values[rank])
    if part.by_class is None:
        return Reason(part.source, value, [], value)
    names, chance = catalog.labels[part.source].names, chances[part.source]
    added = part.by_class[rank].astype(np.float64)  # (C,)
    largest = np.argsort(-np.abs(added), kind="stable")[:STRONGEST].tolist()
    strongest = [Pull(names[c], float(chance[c + 1]), float(added[c])) for c in largest]
    return Reason(part.source, value, strongest, value - sum(pull.value for pull in strongest))


def _path(catalog: ItemCatalog, task: str, node: int, name: str) -> list[str | None]:
    if not task.startswith(CATEGORY):
        return [name]
    path: list[str | None] = []
    for level in reversed(catalog.levels[: int(task.removeprefix(CATEGORY))]):
        path.insert(0, level.names[node])
        node = int(level.parents[node])
    return path
