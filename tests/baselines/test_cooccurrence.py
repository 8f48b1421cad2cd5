import numpy as np
import pytest

from hiersrec.baselines.cooccurrence import Config, fit
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from tests.toy import NUM_ITEMS, catalog, toy, walks

SESSIONS = [*walks(12, seed=3), [5, 5, 6, 5], [7], [1, 2, 3, 4, 5, 6, 7, 8, 9]]


def data() -> TrainingData:
    return TrainingData(catalog(SESSIONS), Sessions.from_lists(SESSIONS), Sessions.from_lists([]))


def slow_scores(session: list[int], window: int, itself: float) -> np.ndarray:
    """The formula of the module, one pair of positions after another."""
    count = np.bincount([item for walk in SESSIONS for item in walk], minlength=NUM_ITEMS + 1)
    near = itself * np.eye(NUM_ITEMS + 1)
    for walk in SESSIONS:
        for a, first in enumerate(walk):
            for b, second in enumerate(walk):
                if 1 <= abs(a - b) <= window:
                    near[first, second] += 1 / (1 + abs(a - b)) / count[first]
    return sum(near[item] / place for place, item in enumerate(session[::-1][:window], start=1))


@pytest.mark.parametrize("config", [Config(), Config(window=2), Config(itself=0), Config(window=3, itself=0.25)])
def test_against_the_formula(config) -> None:
    scorer = fit(config, data())
    sessions = [[5], [5, 6], [2, 5, 5, 40], walks(1, seed=9)[0]]
    scores = scorer.score(whole_sessions(sessions, scorer.max_length)).items
    for row, session in zip(scores, sessions, strict=True):
        np.testing.assert_allclose(row[1:], slow_scores(session, config.window, config.itself)[1:], rtol=1e-5)


def test_every_setting_changes_something() -> None:
    shop = toy()
    sessions = whole_sessions(walks(5, seed=5), 20)
    usual = fit(Config(), shop.data).score(sessions).items
    assert (fit(Config(window=2), shop.data).score(sessions).items != usual).any()
    assert (fit(Config(itself=0.5), shop.data).score(sessions).items != usual).any()


def test_validation_and_test_sessions_are_not_counted() -> None:
    shop = toy()
    other = TrainingData(shop.data.catalog, shop.data.train, Sessions.from_lists([[1, 48]] * 50))
    first, second = fit(Config(), shop.data), fit(Config(), other)
    assert (first.near != second.near).nnz == 0
