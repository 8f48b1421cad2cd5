"""What every scorer promises: its scores depend on the session only, and on nothing that comes later.

These are the leak tests: a scorer that looks at its neighbours in the batch, at padding, at targets or at what it
scored before fails one of them. It scores sessions of the toy shop, on which it was fitted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import batch_of, sorted_rows, whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.testing.toy import NUM_ITEMS, Toy, toy, walks
from hiersrec.types import Batch, Float32, Scorer, Scores

SESSIONS = walks(20, seed=2)
"""The first test sessions of the shop."""


@cache
def shop() -> Toy:
    """The toy shop, made once."""
    return toy()


@dataclass(frozen=True)
class FittedScorer:
    """`fit` makes a scorer, `reload` makes it again from what would be saved of it."""

    name: str
    fit: Callable[[TrainingData], Any]
    reload: Callable[[Any, Catalog], Scorer]


def counted(name: str) -> FittedScorer:
    """A baseline that counts, with its default settings."""
    module = registry.load("baselines", name)
    config = module.Config()
    return FittedScorer(
        name,
        lambda data: module.fit(config, data),
        lambda scorer, catalog: module.load(config, catalog, scorer.state()),
    )


def check_scorer(made: FittedScorer) -> None:
    """Raise AssertionError for the first promise that it breaks."""
    scorer = made.fit(shop().data)
    for check in CHECKS:
        check(scorer)
    for check_again in CHECKS_OF_FIT:
        check_again(made, scorer)


def _same(first: Scores, second: Scores) -> None:
    """Equal up to float32 rounding, columns of padding aside."""
    np.testing.assert_allclose(first.items[:, 1:], second.items[:, 1:], rtol=1e-5, atol=1e-5)
    assert sorted(first.tasks) == sorted(second.tasks)
    for task, expected in first.tasks.items():
        np.testing.assert_allclose(expected[:, 1:], second.tasks[task][:, 1:], rtol=1e-5, atol=1e-5)


def _taken(scores: Scores, rows: list[int]) -> Scores:
    return Scores(scores.items[rows], {task: values[rows] for task, values in scores.tasks.items()})


def _ask(scorer: Scorer, sessions: list[list[int]]) -> Scores:
    return scorer.score(whole_sessions(sessions, scorer.max_length))


def scores_are_complete_and_fresh(scorer: Scorer) -> None:
    """Float32 of every item and known class, -inf at padding, and no array that a later call still uses."""
    scores = _ask(scorer, SESSIONS)
    assert scores.items.dtype == np.float32, f"scores are {scores.items.dtype}"
    assert scores.items.shape == (len(SESSIONS), NUM_ITEMS + 1), f"scores have the shape {scores.items.shape}"
    assert (scores.items[:, 0] == -np.inf).all(), "column 0, padding, must be -inf"
    assert np.isfinite(scores.items[:, 1:]).all(), "a score is NaN or infinite"
    for task, values in scores.tasks.items():
        assert values.dtype == np.float32, f"scores of {task} are {values.dtype}"
        assert values.shape == (len(SESSIONS), shop().data.catalog.labels[task].num_known + 1)
        assert (values[:, 0] == -np.inf).all(), f"column 0 of {task} must be -inf"
        assert np.isfinite(values[:, 1:]).all(), f"a score of {task} is NaN or infinite"
    untouched = _ask(scorer, SESSIONS)
    for array in (scores.items, *scores.tasks.values()):
        array[:] = 0  # retrieval.scoring writes into them
    _same(untouched, _ask(scorer, SESSIONS))


def order_of_the_batch_changes_nothing(scorer: Scorer) -> None:
    """A session scores the same wherever it stands in the batch."""
    shuffled = np.random.default_rng(0).permutation(len(SESSIONS)).tolist()
    _same(_taken(_ask(scorer, SESSIONS), shuffled), _ask(scorer, [SESSIONS[row] for row in shuffled]))


def whole_split_scores_the_same(scorer: Scorer) -> None:
    """In any order and batch size."""
    prefixes = Prefixes.every(shop().test)
    scored: list[Float32] = []
    for order, size in ((None, 7), (None, 256), (np.random.default_rng(1).permutation(len(prefixes)), 64)):
        batches = (
            sorted_rows(prefixes, size)
            if order is None
            else (order[start : start + size] for start in range(0, len(order), size))
        )
        whole = np.zeros((len(prefixes), NUM_ITEMS), np.float32)
        for rows in batches:
            whole[rows] = scorer.score(batch_of(prefixes, rows, scorer.max_length)).items[:, 1:]
        scored.append(whole)
    np.testing.assert_allclose(scored[0], scored[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scored[0], scored[2], rtol=1e-5, atol=1e-5)


def batch_of_one_scores_the_same(scorer: Scorer) -> None:
    """A session scores as it does among others."""
    together = _ask(scorer, SESSIONS)
    for row, session in enumerate(SESSIONS):
        _same(_taken(together, [row]), _ask(scorer, [session]))


def longer_prefixes_in_the_batch_change_nothing(scorer: Scorer) -> None:
    """What follows a prefix, though it is in the batch, is not seen."""
    session = max(SESSIONS, key=len)
    single = _ask(scorer, [session[:2]])
    _same(single, _taken(_ask(scorer, [session[:end] for end in range(1, len(session) + 1)]), [1]))


def other_sessions_of_the_batch_change_nothing(scorer: Scorer) -> None:
    """Whatever they are."""
    first = _ask(scorer, SESSIONS)
    others = walks(len(SESSIONS) - 1, seed=77)
    _same(_taken(first, [0]), _taken(_ask(scorer, [SESSIONS[0], *others]), [0]))


def more_padding_changes_nothing(scorer: Scorer) -> None:
    """Up to the longest session that it takes."""
    batch = whole_sessions([session[:-1] for session in SESSIONS], scorer.max_length)
    for more in (1, 5):
        if batch.items.shape[1] + more <= scorer.max_length:
            padded = Batch(np.pad(batch.items, ((0, 0), (0, more))), batch.lengths)
            _same(scorer.score(batch), scorer.score(padded))


class _Recorder:
    """A scorer that keeps its scores."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.max_length = scorer, scorer.max_length
        self.answers: list[Float32] = []

    def score(self, batch: Batch) -> Scores:
        scores = self.scorer.score(batch)
        self.answers.append(scores.items.copy())
        return scores


def targets_change_no_score(scorer: Scorer) -> None:
    """What follows the prefix is not in the batch; this holds it through evaluate, which does know targets. And random
    targets are guessed by chance.
    """
    data, test = shop()
    random = np.random.default_rng(2)
    many = [test[row].tolist() for row in range(len(test))] * 5
    changed = [[*session[:-1], int(random.integers(1, NUM_ITEMS + 1))] for session in many]
    true, false = _Recorder(scorer), _Recorder(scorer)
    options = EvaluationOptions(k=5, last_only=True)
    evaluate(true, data.catalog, Sessions.from_lists(many), options)
    guessed = evaluate(false, data.catalog, Sessions.from_lists(changed), options).metrics["hits@5"]

    assert len(true.answers) == len(false.answers) > 0
    for first, second in zip(true.answers, false.answers, strict=True):
        assert (first == second).all(), "another target changed a score"
    expected = 5 / NUM_ITEMS
    assert abs(guessed - expected) < 0.07, f"random targets are guessed with HITS@5 {guessed:.3f}, not {expected:.3f}"


def same_twice_and_after_other_sessions(scorer: Scorer) -> None:
    """It remembers nothing."""
    first = _ask(scorer, SESSIONS)
    _same(first, _ask(scorer, SESSIONS))
    _ask(scorer, walks(50, seed=78))
    _same(first, _ask(scorer, SESSIONS))


def longer_sessions_are_cut(scorer: Scorer) -> None:
    """To the newest items that it looks at, on the one path of scoring."""
    catalog = shop().data.catalog
    length = min(scorer.max_length, 500)
    newest = (walks(1, seed=79)[0] * length)[:length]
    whole = [*walks(1, seed=80)[0], *newest]
    if length == scorer.max_length:
        cut, uncut = whole_sessions([newest], 1000), whole_sessions([whole], 1000)
        _same(score(scorer, catalog, cut), score(scorer, catalog, uncut))


def candidates_depend_on_the_session_only(scorer: Scorer) -> None:
    """Candidates by predicted category and random ones; without predicted categories they are refused."""
    for policy in ("category", "random"):

        def ranked(sessions: list[list[int]], policy: str = policy) -> list[list[bool]]:
            batch, chosen = whole_sessions(sessions, 100), Candidates(policy=policy, top=1)
            scores = score(scorer, shop().data.catalog, batch, candidates=chosen).items
            kept: list[list[bool]] = (scores > -np.inf).tolist()
            return kept

        if not _ask(scorer, SESSIONS).categories:
            try:
                ranked(SESSIONS)
            except BadInput as refusal:
                if "this run predicts none" not in str(refusal):
                    raise
                continue
            raise AssertionError("candidates by category without predicted categories must be refused")
        together = ranked(SESSIONS)
        assert ranked(SESSIONS[::-1]) == together[::-1]
        assert [ranked([session])[0] for session in SESSIONS] == together
        assert ranked([SESSIONS[0], *walks(5, seed=81)])[0] == together[0]
        assert all(0 < sum(kept) < NUM_ITEMS for kept in together)


CHECKS = (
    scores_are_complete_and_fresh,
    order_of_the_batch_changes_nothing,
    whole_split_scores_the_same,
    batch_of_one_scores_the_same,
    longer_prefixes_in_the_batch_change_nothing,
    other_sessions_of_the_batch_change_nothing,
    more_padding_changes_nothing,
    targets_change_no_score,
    same_twice_and_after_other_sessions,
    longer_sessions_are_cut,
    candidates_depend_on_the_session_only,
)


def saved_and_loaded_scores_the_same(made: FittedScorer, scorer: Scorer) -> None:
    """What is saved is all that scores need."""
    again = made.reload(scorer, shop().data.catalog)
    assert again.max_length == scorer.max_length
    _same(_ask(scorer, SESSIONS), _ask(again, SESSIONS))


def two_fits_are_equal(made: FittedScorer, scorer: Scorer) -> None:
    """Nothing is random without a seed."""
    _same(_ask(scorer, SESSIONS), _ask(made.fit(shop().data), SESSIONS))


def better_than_popularity(made: FittedScorer, scorer: Scorer) -> None:
    """In the toy shop, or else in the one where sessions stay on their shelf, which some baselines need."""
    popularity = counted("popularity")
    if made.name == "popularity":
        chance = sum(1 / rank for rank in range(1, NUM_ITEMS + 1)) / NUM_ITEMS
        assert _mrr(scorer, shop()) > chance
    elif _mrr(scorer, shop()) <= _mrr(popularity.fit(shop().data), shop()):
        staying = toy(stay=True)
        expected = _mrr(popularity.fit(staying.data), staying)
        assert _mrr(made.fit(staying.data), staying) > expected, "it is no better than popularity in either toy shop"


def _mrr(scorer: Scorer, world: Toy) -> float:
    options = EvaluationOptions(k=NUM_ITEMS)
    return evaluate(scorer, world.data.catalog, world.test, options).metrics[f"mrr@{NUM_ITEMS}"]


CHECKS_OF_FIT = (saved_and_loaded_scores_the_same, two_fits_are_equal, better_than_popularity)
