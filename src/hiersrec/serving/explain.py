"""Score parts -> reasons that a person can read, and that add up to the score exactly; probabilities -> guesses.

The hierarchical model's item score is linear in what it adds together (paper, eq. 3-4): the session itself, each
category task's prediction sent through its projection, and the item's bias. So a reason is exact, no estimate. It is
told against the average item (score_parts.py), so its sign says whether it moves this item up or down.
"""

from collections.abc import Mapping

import numpy as np

from hiersrec.serving.answers import Guess, Pull, Reason
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.paths import ENDS_HERE, NO_CATEGORY, PATH, is_only_end, node_probs, path_probs
from hiersrec.types import CATEGORY, Float32, Float64, Int64, ScorePart, categories

STRONGEST = 3
"""Categories named in one reason."""
GUESSES = 5
"""Categories listed for one level."""
ROUNDING = 1e-3
"""Most by which the probabilities of children may miss their parent's."""


def probabilities(logits: Float32) -> Float64:
    """Softmax over the classes of one session: (C + 1,) logits -> (C + 1,) float64, 0 for padding."""
    return np.asarray(path_probs(logits[None])[0])


def shares(counts: Float32) -> Float64:
    """Counts of the classes, the scores of an empty session, as shares: (C + 1,) float64."""
    exact = np.where(counts > 0, counts, 0).astype(np.float64)
    return np.asarray(exact / max(1.0, exact.sum()))


def chances_of(catalog: ItemCatalog, tasks: Mapping[str, Float32], are_counts: bool) -> dict[str, Float64]:
    """Scores of tasks for one session, (C + 1,) each -> probabilities; where paths are predicted, those of all nodes.

    are_counts: whether scores are counts of training events, as where no item of the session is known.
    """
    if PATH not in tasks:
        return {task: shares(scores) if are_counts else probabilities(scores) for task, scores in tasks.items()}
    others = {task: scores for task, scores in tasks.items() if task != PATH and not task.startswith(CATEGORY)}
    levels = node_probs(catalog.levels, path_probs(tasks[PATH][None]))  # logarithms, of counts too
    return {f"{CATEGORY}{level}": probs[0] for level, probs in enumerate(levels, start=1)} | chances_of(
        catalog, others, are_counts
    )


def guesses(catalog: ItemCatalog, task: str, probability: Float64) -> list[Guess]:
    """The likeliest classes of a task, given (C + 1,) probabilities; equal ones in catalogue order."""
    best = np.argsort(-probability[1:], kind="stable") + 1
    if task.startswith(CATEGORY):
        best = best[~is_only_end(catalog.levels, int(task.removeprefix(CATEGORY)))[best]]  # as likely as its parent
    best = best[:GUESSES]
    return [
        Guess(task, class_name(catalog, task, c), _path(catalog, task, c), float(probability[c])) for c in best.tolist()
    ]


def coherent(catalog: ItemCatalog, chances: Mapping[str, Float64]) -> bool:
    """Whether the probabilities of each level sum to those of their parents, as those of one tree do."""
    levels = categories(chances)
    for level, below in levels.items():
        above = levels.get(level - 1)
        if above is not None:
            parents = catalog.levels[level - 1].parents[1 : len(below)]
            sums = np.bincount(parents, below[1:], len(above))
            if len(sums) > len(above) or np.abs(sums - above)[1:].max(initial=0) > ROUNDING:
                return False
    return True


def reasons(catalog: ItemCatalog, chances: Mapping[str, Float64], parts: list[ScorePart]) -> list[list[Reason]]:
    """The reasons of each of the K items that `parts` split, in the order of the parts.

    chances: task -> (C + 1,) probabilities of this session. A part with `by_class` is of a task.
    """
    by_part = [_reasons_of(catalog, part, chances) for part in parts]
    return [list(of_item) for of_item in zip(*by_part, strict=True)]


def _reasons_of(catalog: ItemCatalog, part: ScorePart, chances: Mapping[str, Float64]) -> list[Reason]:
    """The reasons of one part, for each of K items."""
    values = part.values.tolist()
    if part.by_class is None:
        return [Reason(part.source, value, [], value) for value in values]
    largest = _largest(part.by_class)
    added = np.take_along_axis(part.by_class, largest, axis=1).tolist()
    names = {c: class_name(catalog, part.source, c + 1) for c in np.unique(largest).tolist()}
    chance = {c: float(chances[part.source][c + 1]) for c in names}
    found = []
    for value, of_item, terms in zip(values, largest.tolist(), added, strict=True):
        strongest = [Pull(names[c], chance[c], term) for c, term in zip(of_item, terms, strict=True)]
        found.append(Reason(part.source, value, strongest, value - sum(terms)))
    return found


def _largest(by_class: Float32) -> Int64:
    """Of values (K, C) those that are furthest from 0 in each row, the first of equal ones first: (K, STRONGEST)."""
    distance = np.abs(by_class)
    largest = np.empty((len(by_class), min(STRONGEST, by_class.shape[1])), np.int64)
    for place in range(largest.shape[1]):  # a few passes are a tenth of sorting
        largest[:, place] = distance.argmax(axis=1)
        np.put_along_axis(distance, largest[:, [place]], -1, axis=1)
    return largest


def class_name(catalog: ItemCatalog, task: str, node: int) -> str:
    """What people read for a class: "Africa", "Geography / ends here", "no category"."""
    path = _path(catalog, task, node)
    if (name := path[-1]) is not None:
        return name
    parent = next((name for name in reversed(path) if name is not None), None)
    return NO_CATEGORY if parent is None else f"{parent} / {ENDS_HERE}"


def _path(catalog: ItemCatalog, task: str, node: int) -> list[str | None]:
    if not task.startswith(CATEGORY):
        return [catalog.labels[task].names[node - 1]]
    path: list[str | None] = []
    for level in reversed(catalog.levels[: int(task.removeprefix(CATEGORY))]):
        path.insert(0, level.names[node])
        node = int(level.parents[node])
    return path
