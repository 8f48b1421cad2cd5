from dataclasses import replace

import pytest

from hiersrec.errors import BadInput
from hiersrec.evaluation.choose_candidates import CandidateGoal, choose
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Scores
from tests.evaluation.test_evaluate import sessions
from tests.retrieval.world import ITEMS, KNOWN, Waves, world

CATALOG = world(1)
STORED = Sessions.from_lists([[item for item in session if item <= ITEMS] for session in sessions(seed=4, number=60)])
OPTIONS = {
    "usual": EvaluationOptions(),
    "short lists": EvaluationOptions(k=8, batch_size=7),
    "last only": EvaluationOptions(k=10, last_only=True),
    "unseen only": EvaluationOptions(k=5, exclude_seen=True, batch_size=64),
}


def curves(options: EvaluationOptions) -> tuple[list[float], list[float]]:
    """Share and MRR for every K from 1 to all, one evaluation each."""
    chosen = [Candidates(policy="category", top=top) for top in range(1, max(KNOWN) + 1)]
    metrics = [evaluate(Waves(), CATALOG, STORED, replace(options, candidates=each)).metrics for each in chosen]
    return [values["candidates/share"] for values in metrics], [values[f"mrr@{options.k}"] for values in metrics]


@pytest.mark.parametrize("name", OPTIONS)
def test_against_one_evaluation_for_every_k(name) -> None:
    options = OPTIONS[name]
    shares, mrr = curves(options)
    full = evaluate(Waves(), CATALOG, STORED, options).metrics[f"mrr@{options.k}"]
    assert mrr[-1] == full
    assert shares == sorted(shares)
    assert len(set(mrr)) >= 3

    def chosen(**goal: float) -> tuple[int | None, float | None, float]:
        choice = choose(Waves(), CATALOG, STORED, CandidateGoal(policy="category", **goal), options)
        return choice.candidates.top, choice.share, choice.kept

    for share in (0.01, *(value + 1e-9 for value in shares if value < 1), 0.999, 1.0):
        top = max([k for k, value in enumerate(shares, start=1) if value <= share], default=1)
        assert chosen(share=share) == pytest.approx((top, shares[top - 1], mrr[top - 1] / full))
    for keep in (0.01, *(min(value / full - 1e-9, 1.0) for value in mrr), 0.9, 1.0):
        top = next(k for k, value in enumerate(mrr, start=1) if value >= keep * full - 1e-12)
        assert chosen(keep=keep) == pytest.approx((top, shares[top - 1], mrr[top - 1] / full))


def test_each_goal_moves_the_choice() -> None:
    def top(**goal: float) -> int:
        return choose(Waves(), CATALOG, STORED, CandidateGoal(policy="random", **goal)).candidates.top

    assert top(share=0.01) == 1 < top(share=1.0) == max(KNOWN)
    assert top(keep=0.01) == 1 < top(keep=1.0)


def test_each_prefix_is_scored_once_and_progress_told() -> None:
    scorer, told = Counting(), []
    choose(
        scorer,
        CATALOG,
        Sessions.from_lists([[1, 2, 3, 4], [5, 6]]),
        CandidateGoal(policy="category", share=0.5),
        EvaluationOptions(batch_size=3),
        lambda *count: told.append(count),
    )

    assert scorer.rows == 4
    assert told == [(3, 4), (4, 4)]


class Counting(Waves):
    rows = 0

    def score(self, batch: Batch) -> Scores:
        Counting.rows += len(batch)
        return super().score(batch)


def test_where_no_target_is_ever_found_nothing_can_be_lost() -> None:
    unseen = Sessions.from_lists([[1, -1], [2, -2]])

    choice = choose(Waves(), CATALOG, unseen, CandidateGoal(policy="category", keep=0.9))
    assert (choice.candidates.top, choice.kept) == (1, 1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "one of share, keep and promise, got 0 of them"),
        ({"share": 0.1, "keep": 0.9}, "one of share, keep and promise, got 2 of them"),
        ({"share": 0.0}, "share must be above 0 and at most 1, got 0.0"),
        ({"keep": 1.5}, "keep must be above 0 and at most 1, got 1.5"),
        ({"policy": "all", "share": 0.1}, "share is for candidates by category or random, got 0.1 with all"),
        ({"policy": "radom", "share": 0.1}, "Did you mean 'random'?"),
    ],
)
def test_impossible_goals_are_refused(wrong, message) -> None:
    with pytest.raises(BadInput, match=message):
        CandidateGoal(**{"policy": "category", **wrong})


def test_a_scorer_without_categories_and_sessions_without_prefixes_are_refused() -> None:
    class Silent(Waves):
        def score(self, batch: Batch) -> Scores:
            return Scores(super().score(batch).items, {})

    goal = CandidateGoal(policy="category", share=0.1)
    with pytest.raises(BadInput, match="this run predicts none"):
        choose(Silent(), CATALOG, STORED, goal)
    with pytest.raises(BadInput, match="none of the 1 sessions has two items"):
        choose(Waves(), CATALOG, Sessions.from_lists([[1]]), goal)
