"""Parts of scores -> reasons that a person can read, and that add up to the score exactly.

The hierarchical model's item score is linear in what it adds together (paper, eq. 3-4): the session itself, each
category task's prediction sent through its projection, and the item's bias. So a reason is an addend, no estimate.
"""

from collections.abc import Mapping

import numpy as np

from hiersrec.serving.answers import CategoryGuess, Pull, Reason
from hiersrec.store.catalog import Catalog
from hiersrec.types import Float32, Float64, Part

STRONGEST = 3
"""Categories named in one reason."""
GUESSES = 5
"""Categories listed for one level."""


def probabilities(logits: Float32) -> Float64:
    """Softmax over the known categories of one session: (C + 1,) logits -> (C + 1,) float64, 0 for padding."""
    exact = logits.astype(np.float64)
    weights = np.exp(exact - exact.max())  # column 0 is minus infinity, so its weight is 0
    return np.asarray(weights / weights.sum())


def shares(counts: Float32) -> Float64:
    """Counts of the known categories, the scores of an empty session, as shares: (C + 1,) float64."""
    exact = np.where(counts > 0, counts, 0).astype(np.float64)
    return np.asarray(exact / max(1.0, exact.sum()))


def guesses(catalog: Catalog, level: int, probability: Float64) -> list[CategoryGuess]:
    """The likeliest categories of a level, given (C + 1,) probabilities; equal ones in catalogue order."""
    best = np.argsort(-probability[1:], kind="stable")[:GUESSES] + 1
    return [
        CategoryGuess(
            level, str(catalog.levels[level - 1].names[node]), _path(catalog, level, node), float(probability[node])
        )
        for node in best.tolist()
    ]


def reasons(catalog: Catalog, chances: Mapping[int, Float64], parts: list[Part]) -> list[list[Reason]]:
    """The reasons of each of the K items that `parts` split, in the order of the parts.

    chances: level -> (C + 1,) probabilities of this session. A part with `by_class` is of a task "category_LEVEL".
    """
    return [[_reason(catalog, part, at, chances) for part in parts] for at in range(len(parts[0].value))]


def _reason(catalog: Catalog, part: Part, at: int, chances: Mapping[int, Float64]) -> Reason:
    value = float(part.value[at])
    if part.by_class is None:
        return Reason(part.source, value, [], value)
    level = int(part.source.removeprefix("category_"))
    names, chance = catalog.levels[level - 1].names, chances[level]
    added = part.by_class[at].astype(np.float64)  # (C,), class c is node c + 1
    largest = np.argsort(-np.abs(added), kind="stable")[:STRONGEST].tolist()
    strongest = [Pull(str(names[c + 1]), float(chance[c + 1]), float(added[c])) for c in largest]
    return Reason(part.source, value, strongest, value - sum(pull.value for pull in strongest))


def _path(catalog: Catalog, level: int, node: int) -> list[str | None]:
    path: list[str | None] = []
    for at in range(level - 1, -1, -1):
        path.insert(0, catalog.levels[at].names[node])
        node = int(catalog.levels[at].parents[node])
    return path
