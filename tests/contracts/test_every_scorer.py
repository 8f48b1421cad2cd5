"""What every scorer promises: its scores depend on the session alone, and on nothing that comes later.

These are the leak tests: a scorer that looks at its neighbours in the batch, at padding, at targets or at what it
scored before fails one of them.
"""

import numpy as np
import pytest

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import batch_of, sorted_rows, whole_sessions
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Batch, Scorer, Scores
from tests.contracts.scorers import fitted, members, shop
from tests.toy import NUM_ITEMS, Toy, toy, walks

pytestmark = pytest.mark.slow

SESSIONS = walks(20, seed=2)
"""The first test sessions of the shop."""


@pytest.fixture(scope="module", params=members())
def name(request) -> str:
    """Of the module, so that all tests of a member follow one another, and in one process of several."""
    return request.param


@pytest.fixture(scope="module")
def scorer(name) -> Scorer:
    return fitted(name)


def same(first: Scores, second: Scores) -> None:
    """Equal up to float32 rounding, columns of padding aside."""
    np.testing.assert_allclose(first.items[:, 1:], second.items[:, 1:], rtol=1e-5, atol=1e-5)
    assert sorted(first.tasks) == sorted(second.tasks)
    for task, expected in first.tasks.items():
        np.testing.assert_allclose(expected[:, 1:], second.tasks[task][:, 1:], rtol=1e-5, atol=1e-5)


def taken(scores: Scores, rows: list[int]) -> Scores:
    return Scores(scores.items[rows], {task: found[rows] for task, found in scores.tasks.items()})


def ask(scorer: Scorer, sessions: list[list[int]]) -> Scores:
    return scorer.score(whole_sessions(sessions, scorer.max_length))


def test_the_walk_finds_members() -> None:
    baselines = {name.removeprefix("any/") for name in members()}
    assert baselines >= {"popularity", "cooccurrence", "last_category", *registry.names("baselines")}
    assert [shop().test[at].tolist() for at in range(len(SESSIONS))] == SESSIONS


def test_scores_are_float32_of_every_item_and_known_category_and_fresh(scorer) -> None:
    scores = ask(scorer, SESSIONS)
    assert scores.items.dtype == np.float32
    assert scores.items.shape == (len(SESSIONS), NUM_ITEMS + 1)
    assert (scores.items[:, 0] == -np.inf).all()
    assert np.isfinite(scores.items[:, 1:]).all()
    for task, found in scores.tasks.items():
        assert found.dtype == np.float32
        assert found.shape == (len(SESSIONS), shop().data.catalog.labels[task].num_known + 1)
        assert (found[:, 0] == -np.inf).all()
        assert np.isfinite(found[:, 1:]).all()
    untouched = ask(scorer, SESSIONS)
    for array in (scores.items, *scores.tasks.values()):
        array[:] = 0  # retrieval.scoring writes into them
    same(untouched, ask(scorer, SESSIONS))


def test_order_of_the_batch_changes_nothing(scorer) -> None:
    shuffled = np.random.default_rng(0).permutation(len(SESSIONS)).tolist()
    same(taken(ask(scorer, SESSIONS), shuffled), ask(scorer, [SESSIONS[at] for at in shuffled]))


def test_whole_split_scores_the_same_in_any_order_and_batch_size(scorer) -> None:
    prefixes = Prefixes.every(shop().test)
    found = []
    for order, size in ((None, 7), (None, 256), (np.random.default_rng(1).permutation(len(prefixes)), 64)):
        batches = (
            sorted_rows(prefixes, size)
            if order is None
            else (order[at : at + size] for at in range(0, len(order), size))
        )
        whole = np.zeros((len(prefixes), NUM_ITEMS), np.float32)
        for rows in batches:
            whole[rows] = scorer.score(batch_of(prefixes, rows, scorer.max_length)).items[:, 1:]
        found.append(whole)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5, atol=1e-5)


def test_batch_of_one_scores_the_same(scorer) -> None:
    together = ask(scorer, SESSIONS)
    for at, session in enumerate(SESSIONS):
        same(taken(together, [at]), ask(scorer, [session]))


def test_longer_prefixes_of_the_same_session_in_the_batch_change_nothing(scorer) -> None:
    session = max(SESSIONS, key=len)
    alone = ask(scorer, [session[:2]])
    same(alone, taken(ask(scorer, [session[:end] for end in range(1, len(session) + 1)]), [1]))


def test_other_sessions_of_the_batch_change_nothing(scorer) -> None:
    first = ask(scorer, SESSIONS)
    others = walks(len(SESSIONS) - 1, seed=77)
    same(taken(first, [0]), taken(ask(scorer, [SESSIONS[0], *others]), [0]))


def test_more_padding_changes_nothing(scorer) -> None:
    batch = whole_sessions([session[:-1] for session in SESSIONS], scorer.max_length)
    for more in (1, 5):
        if batch.items.shape[1] + more <= scorer.max_length:
            same(scorer.score(batch), scorer.score(Batch(np.pad(batch.items, ((0, 0), (0, more))), batch.lengths)))


def test_targets_change_no_score_and_random_ones_are_guessed_by_chance(scorer) -> None:
    """What follows the prefix is not in the batch; this holds it through evaluate, which does know targets."""

    class Recorder:
        max_length = scorer.max_length

        def __init__(self) -> None:
            self.answers: list[np.ndarray] = []

        def score(self, batch: Batch) -> Scores:
            scores = scorer.score(batch)
            self.answers.append(scores.items.copy())
            return scores

    data, test = shop()
    random = np.random.default_rng(2)
    many = [test[at].tolist() for at in range(len(test))] * 5
    changed = [[*session[:-1], int(random.integers(1, NUM_ITEMS + 1))] for session in many]
    true, false = Recorder(), Recorder()
    options = EvaluationOptions(k=5, last_only=True)
    evaluate(true, data.catalog, Sessions.from_lists(many), options)
    guessed = evaluate(false, data.catalog, Sessions.from_lists(changed), options).metrics["hits@5"]

    assert len(true.answers) == len(false.answers) > 0
    for first, second in zip(true.answers, false.answers, strict=True):
        assert (first == second).all()
    assert guessed == pytest.approx(5 / NUM_ITEMS, abs=0.07)  # four standard deviations of 300 throws


def test_twice_in_a_row_and_after_other_sessions_is_the_same(scorer) -> None:
    first = ask(scorer, SESSIONS)
    same(first, ask(scorer, SESSIONS))
    ask(scorer, walks(50, seed=78))
    same(first, ask(scorer, SESSIONS))


def test_longer_sessions_than_it_looks_at_are_cut_on_the_one_path(scorer) -> None:
    catalog = shop().data.catalog
    length = min(scorer.max_length, 500)
    newest = (walks(1, seed=79)[0] * length)[:length]
    whole = [*walks(1, seed=80)[0], *newest]
    if length == scorer.max_length:
        same(
            score(scorer, catalog, whole_sessions([newest], 1000)),
            score(scorer, catalog, whole_sessions([whole], 1000)),
        )


@pytest.mark.parametrize("policy", ["category", "random"])
def test_candidates_of_a_session_depend_on_it_alone(scorer, policy) -> None:
    def ranked(sessions: list[list[int]]) -> list[list[bool]]:
        batch, chosen = whole_sessions(sessions, 100), Candidates(policy=policy, top=1)
        kept: list[list[bool]] = (score(scorer, shop().data.catalog, batch, candidates=chosen).items > -np.inf).tolist()
        return kept

    if not ask(scorer, SESSIONS).categories:
        with pytest.raises(BadInput, match="this run predicts none"):
            ranked(SESSIONS)
        return
    together = ranked(SESSIONS)
    assert ranked(SESSIONS[::-1]) == together[::-1]
    assert [ranked([session])[0] for session in SESSIONS] == together
    assert ranked([SESSIONS[0], *walks(5, seed=81)])[0] == together[0]
    assert all(0 < sum(kept) < NUM_ITEMS for kept in together)


def test_saved_and_loaded_scores_the_same(name, scorer) -> None:
    again = members()[name].reload(scorer, shop().data.catalog)
    assert again.max_length == scorer.max_length
    same(ask(scorer, SESSIONS), ask(again, SESSIONS))


def test_two_fits_are_equal(name, scorer) -> None:
    same(ask(scorer, SESSIONS), ask(members()[name].fit(shop().data), SESSIONS))


def test_better_than_popularity(name, scorer) -> None:
    """In the toy shop, or else in the one where sessions stay on their shelf, which some baselines need."""
    popularity = members()["popularity"]
    if name == "popularity":
        chance = sum(1 / rank for rank in range(1, NUM_ITEMS + 1)) / NUM_ITEMS
        assert mrr(scorer, shop()) > chance
    elif mrr(scorer, shop()) <= mrr(fitted("popularity"), shop()):
        staying = toy(stay=True)
        assert mrr(members()[name].fit(staying.data), staying) > mrr(popularity.fit(staying.data), staying)


def mrr(scorer: Scorer, world: Toy) -> float:
    return evaluate(scorer, world.data.catalog, world.test, EvaluationOptions(k=NUM_ITEMS)).metrics[f"mrr@{NUM_ITEMS}"]
