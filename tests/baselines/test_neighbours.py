"""The four session kNN baselines against slow twins, and what they share."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from hiersrec import registry
from hiersrec.retrieval.order import top_k
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Scorer
from tests.toy import NUM_ITEMS, catalog, toy, walks

BASELINES = ["sknn", "vsknn", "stan", "vstan"]
TRAIN = [*walks(60, seed=3), [5, 5, 6, 5], [7], [1, 2, 3, 4, 5, 6, 7, 8, 9], [2, 9, 2], *walks(20, seed=4)]
SESSIONS = [[5], [5, 6], [2, 5, 5, 40], [9, 2, 9], [*range(1, 30), 3], *walks(6, seed=9)]
RANDOM_SETTINGS: dict[str, dict[str, list[Any]]] = {
    "sknn": {},
    "vsknn": {"weight": ["div", "linear", "quadratic"], "decay": ["div", "linear", "quadratic"], "idf": [0, 1.5, 10]},
    "stan": {"lambda_spw": [0.7, 2.0], "lambda_snh": [0.05, 0.6, 1e6], "lambda_inh": [0.8, 5.0]},
    "vstan": {
        **{"lambda_spw": [0.7, 2.0], "lambda_snh": [0.05, 0.6, 1e6], "lambda_inh": [0.8, 5.0]},
        **{"lambda_ipw": [0.5, 4.0], "idf": [0, 1.5, 10]},
    },
}


def fitted(name: str, train: list[list[int]] | None = None, **settings: Any) -> Scorer:
    module, train = registry.load("baselines", name), TRAIN if train is None else train
    scorer: Scorer = module.fit(
        module.Config(**settings),
        TrainingData(catalog(train), Sessions.from_lists(train), Sessions.from_lists([])),
    )
    return scorer


def scores(scorer: Scorer, sessions: list[list[int]]) -> np.ndarray:
    return scorer.score(whole_sessions(sessions, scorer.max_length)).items


def last_place(session: list[int]) -> dict[int, int]:
    return {item: place for place, item in enumerate(session, start=1)}


@dataclass
class Pair:
    """A session s and a training session n, one of `among`."""

    s: list[int]
    number: int
    among: list[list[int]] = field(repr=False)

    def __post_init__(self) -> None:
        self.n = self.among[self.number]
        self.shared = set(self.s) & set(self.n)
        self.step = next((back for back, item in enumerate(self.s[::-1], start=1) if item in self.n), 0)
        self.anchor = max((place for item, place in last_place(self.n).items() if item in self.s), default=0)
        self.age = 1 - self.number / (len(self.among) - 1)

    def weigh(self, weights: dict[int, float]) -> float:
        return sum(weights[item] for item in last_place(self.s) if item in self.shared)


def idf(item: int, among: list[list[int]]) -> float:
    return math.log(len(among) / sum(item in session for session in among))


def faded(kind: str, place: int, length: int) -> float:
    return {"div": place / length, "linear": max(0, 1 - (length - place) / 10), "quadratic": (place / length) ** 2}[
        kind
    ]


def decayed(kind: str, step: int) -> float:
    return {"div": 1 / step, "linear": max(0, 1 - step / 10), "quadratic": 1 / step**2}[kind]


def similarity(name: str, config: Any, pair: Pair) -> float:
    length, places = len(pair.s), last_place(pair.s)
    if name == "sknn":
        return len(pair.shared) / math.sqrt(len(set(pair.s)) * len(set(pair.n)))
    if name == "vsknn":
        return pair.weigh({i: faded(config.weight, place, length) for i, place in places.items()}) / len(places)
    weights = {i: math.exp((place - length) / config.lambda_spw) for i, place in places.items()}
    cosine = (
        pair.weigh(weights) / math.sqrt(sum(weight**2 for weight in weights.values())) / math.sqrt(len(set(pair.n)))
    )
    return cosine * math.exp(-pair.age / config.lambda_snh)


def says(name: str, config: Any, pair: Pair, item: int) -> float:
    """What a neighbour says for an item, without its similarity."""
    far = abs(last_place(pair.n)[item] - pair.anchor)
    if name == "sknn":
        return 1.0
    if name == "vsknn":
        return decayed(config.decay, pair.step) * (1 + config.idf * idf(item, pair.among))
    near = math.exp(-far / config.lambda_inh)
    if name == "stan":
        return near
    return near * math.exp((1 - pair.step) / config.lambda_ipw) * (1 + config.idf * idf(item, pair.among))


def slow_scores(name: str, config: Any, session: list[int], among: list[list[int]]) -> np.ndarray:
    """The formulas of the modules, one training session after another."""
    pairs = [Pair(session, number, among) for number in range(len(among))]
    candidates = [pair for pair in pairs if pair.shared][-config.sample :]
    # Rounding: what is equal on paper must tie.
    ranked = sorted(candidates, key=lambda pair: (-round(similarity(name, config, pair), 12), -pair.number))
    scores = np.zeros(NUM_ITEMS + 1)
    for pair in ranked[: config.k]:
        for item in set(pair.n):
            scores[item] += similarity(name, config, pair) * says(name, config, pair, item)
    return scores


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", BASELINES)
def test_against_the_formula(name, seed) -> None:
    random = np.random.default_rng(seed)
    drawn = {key: values[random.integers(len(values))] for key, values in RANDOM_SETTINGS[name].items()}
    drawn |= {"k": int(random.integers(1, 12)), "sample": int(random.integers(1, 40))}
    config = registry.load("baselines", name).Config(**drawn)

    for row, session in zip(scores(fitted(name, **drawn), SESSIONS), SESSIONS, strict=True):
        np.testing.assert_allclose(row[1:], slow_scores(name, config, session, TRAIN)[1:], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", BASELINES)
def test_every_setting_changes_something(name) -> None:
    shop, module = toy(), registry.load("baselines", name)
    usual = module.Config(k=40, sample=300)
    batch = whole_sessions([*walks(5, seed=5), list(range(1, 25))], 100)
    expected = module.fit(usual, shop.data).score(batch).items
    settings = {"k": [10], "sample": [30], **RANDOM_SETTINGS[name]}

    for key, values in settings.items():
        for value in values:
            if value != getattr(usual, key):
                changed = module.fit(replace(usual, **{key: value}), shop.data).score(batch).items
                assert (changed != expected).any(), (key, value)


@pytest.mark.parametrize("name", BASELINES)
def test_the_sample_is_the_newest_candidates(name) -> None:
    train = [[1, 10], [1, 2, 11], [3, 12], [1, 13], [4, 14]]

    (row,) = scores(fitted(name, train, sample=2), [[2, 1]])

    assert set(np.flatnonzero(row > 0)) == {1, 2, 11, 13}


@pytest.mark.parametrize("name", BASELINES)
def test_the_most_similar_are_kept_and_the_newer_one_of_equals(name) -> None:
    even = {"lambda_snh": 1e300} if "stan" in name else {}
    train = [[1, 2, 10], [1, 2, 11], [9, 1, 12], [9, 1, 13], [4, 14]]

    (row,) = scores(fitted(name, train, k=1, **even), [[2, 1]])
    (wider,) = scores(fitted(name, train, k=3, **even), [[2, 1]])

    assert set(np.flatnonzero(row > 0)) == {1, 2, 11}
    assert set(np.flatnonzero(wider > 0)) == {1, 2, 9, 10, 11, 13}


def test_equal_cosines_tie_whatever_they_are_made_of() -> None:
    """3 of 18 items shared is as near as 1 of 2: both squares are 1/2 of the session's size."""
    many = [1, 2, 3, *range(10, 25)]
    for train, newer in (([many, [1, 48]], 48), ([[1, 48], many], 24)):
        (row,) = scores(fitted("sknn", train, k=1), [[1, 2, 3]])
        assert row[newer] > 0
        assert row[1:].max() == np.float32(math.sqrt(1 / 6))


@pytest.mark.parametrize("weight", ["div", "quadratic"])
def test_equal_sums_of_weights_tie_whatever_they_are_made_of(weight) -> None:
    """Places 3 + 4 against 7, and 9 + 16 against 25."""
    session = [1, 2, 3, 4, 5, 6, 7]
    alone = 7 if weight == "div" else 5
    for train, newer in (([[3, 4, 40], [alone, 41]], 41), ([[alone, 41], [3, 4, 40]], 40)):
        (row,) = scores(fitted("vsknn", train, k=1, weight=weight), [session])
        assert row[newer] > 0
        assert row[[40, 41]].min() == 0


@pytest.mark.parametrize("decay", ["div", "linear", "quadratic"])
@pytest.mark.parametrize("weight", ["div", "linear", "quadratic"])
def test_long_sessions_make_no_score_negative_and_keep_their_newest_items(weight, decay) -> None:
    session = [*range(1, 40), 48]

    (row,) = scores(fitted("vsknn", [[1, 45], [48, 46]], weight=weight, decay=decay), [session])

    assert row[1:].min() == 0
    assert row[46] > row[45]


@pytest.mark.parametrize("name", BASELINES)
def test_a_repeated_item_counts_once_at_its_last_place(name) -> None:
    train = [[2, 2, 1, 3], [2, 4, 1, 3, 1], [5, 2]]
    twin = slow_scores(name, registry.load("baselines", name).Config(), [1, 2, 1], train)

    np.testing.assert_allclose(scores(fitted(name, train), [[1, 2, 1]])[0, 1:], twin[1:], rtol=1e-5)


@pytest.mark.parametrize("name", [*BASELINES, "session_popularity"])
def test_sessions_that_nothing_is_known_of(name) -> None:
    """Empty, and of an item that no training session has."""
    scorer = fitted(name, [[1, 2], [2, 3]])

    result = scorer.score(Batch(np.array([[0, 0], [1, 2], [40, 0]], np.int32), np.array([0, 2, 1], np.int32))).items

    assert (result[:, 0] == -np.inf).all()
    assert np.isfinite(result[:, 1:]).all()
    np.testing.assert_array_equal(result[1], scores(scorer, [[1, 2]])[0])
    if name in BASELINES:
        assert (result[[0, 2], 1:] == 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_validation_sessions_are_no_neighbours(name) -> None:
    shop, module = toy(), registry.load("baselines", name)
    other = TrainingData(shop.data.catalog, shop.data.train, Sessions.from_lists([[1, 48]] * 50))
    batch = whole_sessions([[1], [48, 2]], 10)

    first, second = (module.fit(module.Config(), data).score(batch).items for data in (shop.data, other))

    np.testing.assert_array_equal(first, second)


def test_session_popularity_counts_in_the_session_then_in_training() -> None:
    scorer = fitted("session_popularity")
    count = np.bincount([item for session in TRAIN for item in session], minlength=NUM_ITEMS + 1)

    for session in ([7], [3, 9, 3], [30, 2, 2, 30, 30, 9], [5] * 99):
        expected = sorted(range(1, NUM_ITEMS + 1), key=lambda item: (-session.count(item), -count[item], item))
        assert top_k(scores(scorer, [session]), NUM_ITEMS)[0][0].tolist() == expected
