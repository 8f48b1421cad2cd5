"""Choose the candidates on validation sessions: K for a share of the catalogue or a part of the accuracy, or the mass
of the likeliest paths with which a promised share of the targets are candidates.

Every prefix is scored once, against all items. The result of each K follows from the smallest K that admits each item:
I' grows by the items admitted at K, and the target's rank is 1 + the items before it that K admits.

The mass makes a conformal set (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; sets by
cumulated probability: Romano, Sesia and Candes, NeurIPS 2020). A target is a candidate if the paths that are likelier
than its own hold less than the mass. Of these sums on n validation prefixes the ceil((n + 1) promise)-th smallest is
taken, so that a further prefix, if it is one more of the same kind, keeps its target with the promised probability.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hiersrec.arguments import NUMBER
from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, prefixes_of, scored
from hiersrec.evaluation.metrics import Results, mrr
from hiersrec.retrieval.candidates import ALL, Candidates, admits, always_in, predicted_paths
from hiersrec.store.catalog import Catalog
from hiersrec.store.paths import mass_before
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Float64, Int32, Int64, Scorer


@dataclass(frozen=True, kw_only=True)
class CandidateGoal:
    """The goal that candidates are chosen for: exactly one of `share`, `keep` and `promise`."""

    policy: str
    """"category", or "random" with as many items."""
    share: float | None = None
    """Mean share of the catalogue that is ranked, at most."""
    keep: float | None = None
    """Part of the MRR of full ranking, at least."""
    promise: float | None = None
    """Share of the targets that are candidates, at least; chooses the mass of paths in place of K."""

    def __post_init__(self) -> None:
        goals = [(name, value) for name in ("share", "keep", "promise") if (value := getattr(self, name)) is not None]
        if len(goals) != 1:
            raise BadInput(
                f"Candidates are chosen for one of share, keep and promise, got {len(goals)} of them. Give exactly one."
            )
        name, value = goals[0]
        NUMBER.check(**{name: value})
        if self.policy == "all":
            raise BadInput(f"{name} is for candidates by category or random, got {value} with all. Leave one out.")
        if not 0 < value <= 1:
            raise BadInput(f"{name} must be above 0 and at most 1, got {value}.")
        Candidates(policy=self.policy, top=1)  # refuses an unknown policy


class ChosenCandidates(NamedTuple):
    """The candidates, and what those by category reach on the sessions where they were chosen."""

    candidates: Candidates
    share: float | None
    """Of K: mean share of the catalogue that is ranked; above the goal if even K = 1 is."""
    kept: float
    """Of K: MRR@k divided by the MRR@k of full ranking, 1 if both are 0. Of a mass: share of the targets."""

    def document(self) -> dict[str, float]:
        """As metrics.json has it: top or mass, share of the catalogue, what is kept."""
        numbers = {"top": self.candidates.top, "mass": self.candidates.mass, "share": self.share, "kept": self.kept}
        return {name: value for name, value in numbers.items() if value is not None}


def choose(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    goal: CandidateGoal,
    options: EvaluationOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ChosenCandidates:
    """The largest K whose mean share is at most `share` (else 1), the smallest K that keeps `keep` of the MRR@k, or the
    smallest mass that keeps the promise.

    `sessions` should be validation sessions, and `options` those of the later evaluation; their candidates are ignored,
    and the greatest k counts.
    Raises BadInput if there is nothing to choose on or the scorer predicts no categories, or no paths for a promise.
    """
    full_ranking = replace(options or EvaluationOptions(), candidates=ALL)
    if goal.promise is not None:
        before = _mass_before_targets(scorer, catalog, sessions, full_ranking, progress)
        mass = conformal_mass(before, goal.promise)
        return ChosenCandidates(Candidates(policy=goal.policy, mass=mass), None, float((before < mass).mean()))
    shares, accuracy = _curves(scorer, catalog, sessions, full_ranking, progress)
    full = accuracy[-1]
    if goal.share is not None:
        top = max(1, int(np.count_nonzero(shares[1:] <= goal.share)))  # shares never fall
    else:
        assert goal.keep is not None
        top = 1 + int(np.argmax(accuracy[1:] >= goal.keep * full))  # the last K ranks all items, so one does
    kept = float(accuracy[top] / full) if full else 1.0
    return ChosenCandidates(Candidates(policy=goal.policy, top=top), float(shares[top]), kept)


def conformal_mass(before: Float64, promise: float) -> float:
    """The smallest mass with which a further target is kept with at least this probability; 1 where n are too few.

    before: (n,) float64, what the paths that are likelier than the target's hold, for n targets.

    >>> conformal_mass(np.array([0.0, 0.1, 0.5]), promise=0.5)  # the second of three: ceil(4 * 0.5)
    0.10000000000000002
    >>> conformal_mass(np.array([0.0, 0.1, 0.5]), promise=0.9)  # four of three
    1.0
    """
    rank = math.ceil((len(before) + 1) * promise)
    if rank > len(before):
        return 1.0
    largest = max(0.0, float(np.sort(before)[rank - 1]))
    return float(min(1.0, np.nextafter(largest, 2)))  # a path is in if less than the mass is before it


def _mass_before_targets(
    scorer: Scorer,
    catalog: Catalog,
    sessions: Sessions,
    options: EvaluationOptions,
    progress: Callable[[int, int], None] | None,
) -> Float64:
    """What the paths that are likelier than the target's hold, for each prefix whose target is in the catalogue.

    (n,) float64, from 0; -1 where the path is always in. Raises BadInput if the scorer predicts no paths.
    """
    prefixes, done = prefixes_of(sessions, options), 0
    parts = []
    for rows, scores in scored(scorer, catalog, prefixes, options):
        targets = prefixes.targets(rows)
        known = np.flatnonzero(targets > 0)
        paths = catalog.item_nodes[targets[known], -1]
        probs = predicted_paths(scores.tasks)[known]
        order = np.argsort(-probs, axis=1, kind="stable")
        place = np.argmax(order == paths[:, None], axis=1)[:, None]
        before = np.take_along_axis(mass_before(np.take_along_axis(probs, order, axis=1)), place, axis=1)[:, 0]
        parts.append(np.where(always_in(catalog)[paths], -1.0, before))
        done += len(rows)
        if progress:
            progress(done, len(prefixes))
    return np.concatenate(parts)


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
