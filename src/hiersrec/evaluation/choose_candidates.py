"""Choose K of the candidates on validation sessions, for a share of the catalogue or for a part of the accuracy.

Every prefix is scored once, against all items. The result of each K follows from the smallest K that admits each item:
I' grows by the items admitted at K, and the target's rank is 1 + the items before it that K admits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hiersrec.arguments import NUMBER
from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, prefixes_of, scored
from hiersrec.evaluation.metrics import Results, mrr
from hiersrec.retrieval.candidates import ALL, Candidates, admits
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Float64, Int32, Int64, Scorer


@dataclass(frozen=True, kw_only=True)
class CandidateGoal:
    """The goal that K is chosen for: exactly one of `share` and `keep`."""

    policy: str
    """"category", or "random" with as many items."""
    share: float | None = None
    """Mean share of the catalogue that is ranked, at most."""
    keep: float | None = None
    """Part of the MRR of full ranking, at least."""

    def __post_init__(self) -> None:
        goals = [(name, value) for name in ("share", "keep") if (value := getattr(self, name)) is not None]
        if len(goals) != 1:
            raise BadInput(f"top follows from one of share and keep, got {len(goals)} of them. Give exactly one.")
        name, value = goals[0]
        NUMBER.check(**{name: value})
        if self.policy == "all":
            raise BadInput(f"{name} is for candidates by category or random, got {value} with all. Leave one out.")
        if not 0 < value <= 1:
            raise BadInput(f"{name} must be above 0 and at most 1, got {value}.")
        Candidates(policy=self.policy, top=1)  # refuses an unknown policy


class ChosenCandidates(NamedTuple):
    """K, and what candidates by category reach with it on the sessions where it was chosen."""

    top: int
    share: float
    """Mean share of the catalogue that is ranked; above the goal if even K = 1 is."""
    kept: float
    """MRR@k divided by the MRR@k of full ranking; 1 if both are 0."""


def choose_top(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    goal: CandidateGoal,
    options: EvaluationOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ChosenCandidates:
    """The largest K whose mean share is at most `share` (else 1), or the smallest that keeps `keep` of the MRR@k.

    `sessions` should be validation sessions, and `options` those of the later evaluation; their candidates are ignored,
    and the greatest k counts.
    Raises BadInput if there is nothing to choose on or the scorer predicts no categories.
    """
    full_ranking = replace(options or EvaluationOptions(), candidates=ALL)
    shares, accuracy = _curves(scorer, catalog, sessions, full_ranking, progress)
    full = accuracy[-1]
    if goal.share is not None:
        top = max(1, int(np.count_nonzero(shares[1:] <= goal.share)))  # shares never fall
    else:
        assert goal.keep is not None
        top = 1 + int(np.argmax(accuracy[1:] >= goal.keep * full))  # the last K ranks all items, so one does
    return ChosenCandidates(top, float(shares[top]), float(accuracy[top] / full) if full else 1.0)


def _curves(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    options: EvaluationOptions,
    progress: Callable[[int, int], None] | None,
) -> tuple[Float64, Float64]:
    """Mean share and mean MRR for K = 0, 1, ..., C, the most categories of a level: (C + 1,) float64 each."""
    prefixes = prefixes_of(sessions, options)
    most = max([1, *(level.num_known for level in catalog.levels)])
    admitted, reciprocal = np.zeros(most + 1, np.int64), np.zeros(most + 1)
    done = 0
    for rows, scores in scored(scorer, catalog, prefixes, options):
        least = admits(catalog, scores.categories)
        least[scores.items == -np.inf] = most + 1  # padding and seen items: never ranked
        for item_scores, item_least, target in zip(scores.items, least, prefixes.targets(rows), strict=True):
            admitted += np.bincount(item_least, minlength=most + 2)[: most + 1]
            if target > 0 and item_least[target] <= most:
                ranks = _ranks(item_scores, item_least, target, most)
                values = mrr.values(Results.of_ranks(ranks), options.ks[-1])
                reciprocal[item_least[target] :] += values[item_least[target] :]
        done += len(rows)
        if progress:
            progress(done, len(prefixes))
    return np.cumsum(admitted) / (len(prefixes) * catalog.num_items), reciprocal / len(prefixes)


def _ranks(scores: Float32, least: Int32, target: Int32, most: int) -> Int64:
    """Rank of the target among the items that K = 0, 1, ..., most admits, itself included: (most + 1,) int64."""
    before = scores > scores[target]  # (N + 1,)
    before[:target] |= scores[:target] == scores[target]
    return 1 + np.cumsum(np.bincount(least[before], minlength=most + 1))
