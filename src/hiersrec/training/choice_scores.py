"""Scores of validation prefixes as they follow from the numbers that score terms choose (score_term.Choice).

    score_j = base_j + sum over the choices c of number_c * unit_cj

A number moves the scores of few items of a prefix, those of its session and what stood near them. So the model scores
each prefix once for the base and once for each choice. Of the items that nothing moves the best 20 are kept, as a
target behind 20 of them counts nothing, and of the others those that some number puts before the target. Then MRR@20
with other numbers takes milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hiersrec.evaluation.evaluate import EvaluationOptions, at_once, prefixes_of
from hiersrec.evaluation.metrics import Results, mrr
from hiersrec.model.score_term import Choice
from hiersrec.retrieval import order, scoring
from hiersrec.store.batches import batch_of, sorted_rows
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Float32, Int32, Int64, Scorer

K = 20
"""Of the metric."""


@dataclass(frozen=True)
class ChoiceScores:
    """What MRR@20 of P prefixes needs, for C choices and M moved items, of all prefixes together and without targets.

    of_target: (1 + C, P) float32, base and units. unmoved: (P, K) float32, the best base scores of items that are not
    moved, without the target, best first. rows: (M,) int64, the prefix of each moved item. of_moved: (1 + C, M).
    """

    of_target: Float32
    unmoved: Float32
    rows: Int64
    of_moved: Float32

    def mrr(self, numbers: Sequence[float]) -> float:
        """MRR@20 with these numbers (C,), of those that are tried. The target is ranked after its ties."""
        by = np.array([1.0, *numbers], np.float32)
        target = by @ self.of_target
        moved = (by @ self.of_moved) >= target[self.rows]
        rank = 1 + np.count_nonzero(self.unmoved >= target[:, None], axis=1)
        rank += np.bincount(self.rows[moved], minlength=len(target))
        rank[target == -np.inf] = 0
        return float(mrr.values(Results.of_ranks(rank), K).mean())


def choice_scores(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    choices: Sequence[Choice],
    progress: Callable[[int, int], None],
) -> ChoiceScores:
    """Score every prefix of `sessions` by `scorer`, whose score terms `choices` belong to; their numbers end as 0."""
    prefixes, parts, done = prefixes_of(sessions, EvaluationOptions()), [], 0
    for rows in sorted_rows(prefixes, at_once(EvaluationOptions(), catalog.num_items * (1 + len(choices)))):
        scores = _scores(scorer, catalog, batch_of(prefixes, rows, scorer.max_length), choices)
        parts.append(_part(scores, prefixes.targets(rows), choices))
        done += len(rows)
        progress(done, len(prefixes))
    starts = np.cumsum([0, *(len(part.unmoved) for part in parts)])
    return ChoiceScores(
        np.concatenate([part.of_target for part in parts], axis=1),
        np.concatenate([part.unmoved for part in parts]),
        np.concatenate([part.rows + start for part, start in zip(parts, starts[:-1], strict=True)]),
        np.concatenate([part.of_moved for part in parts], axis=1),
    )


def _scores(scorer: Scorer, catalog: Catalog, batch: Batch, choices: Sequence[Choice]) -> list[Float32]:
    """(B, N + 1) with all numbers 0, and with one of them 1 at a time."""

    def scores() -> Float32:
        return scoring.score(scorer, catalog, batch).items

    for choice in choices:
        choice.number.zero_()
    every = [scores()]
    for choice in choices:
        choice.number.fill_(1.0)
        every.append(scores())
        choice.number.zero_()
    return every


def _part(scores: list[Float32], target: Int32, choices: Sequence[Choice]) -> ChoiceScores:
    """Of one batch, whose targets are `target` (B,), 0 and less for one without a score."""
    base, size = scores[0], np.arange(len(target))
    is_moved = np.logical_or.reduce([one != base for one in scores[1:]])
    place = np.maximum(target, 0)
    of_target = _base_and_units(scores, size, place)
    is_moved[size, place] = False
    rows, items = np.nonzero(is_moved)
    of_moved = _base_and_units(scores, rows, items)
    base[is_moved] = base[size, place] = -np.inf
    unmoved = order.top_k(base, K)[1]

    least, greatest = _bounds(of_target, choices)
    can_be_listed = np.count_nonzero(unmoved >= greatest[:, None], axis=1) < K
    matters = can_be_listed[rows] & (_bounds(of_moved, choices)[1] >= least[rows])
    return ChoiceScores(of_target, unmoved, rows[matters], of_moved[:, matters])


def _base_and_units(scores: list[Float32], rows: Int64, items: Int64 | Int32) -> Float32:
    """(1 + C, R), of some items of some rows."""
    base = scores[0][rows, items]
    units = [np.subtract(one[rows, items], base, where=items > 0, out=np.zeros_like(base)) for one in scores[1:]]
    return np.stack([base, *units])


def _bounds(base_and_units: Float32, choices: Sequence[Choice]) -> tuple[Float32, Float32]:
    """The least and the greatest score (R,) by any number that is tried."""
    least, greatest = base_and_units[0].copy(), base_and_units[0].copy()
    for choice, unit in zip(choices, base_and_units[1:], strict=True):
        ends = unit * np.float32(choice.most), unit * np.float32(-choice.most if choice.signed else 0)
        least += np.minimum(*ends)
        greatest += np.maximum(*ends)
    return least, greatest
