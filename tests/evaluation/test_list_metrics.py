"""Metrics that look at the listed items: by hand, against a slow twin on the toy shop, and over several processes."""

import doctest
import importlib
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

from hiersrec import registry
from hiersrec.errors import BadInput
from hiersrec.evaluation import list_metrics, metrics
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.types import Batch, Float32, Scores
from tests.evaluation.other_metrics import registered
from tests.evaluation.test_evaluate import CATALOG, Rounded, sessions, split
from tests.evaluation.test_sharding import shared
from tests.toy import NUM_ITEMS

NAMES = tuple(name for name in registry.names(metrics.FOLDER) if metrics.is_of_lists(name))
OF_ALL = ("coverage", "gini", "popularity_lift")
COUNTS = CATALOG.train_count
PATHS = [[name for name in CATALOG.path(item) if name] for item in range(NUM_ITEMS + 1)]
VECTORS = np.random.default_rng(7).standard_normal((NUM_ITEMS, 4)).astype(np.float32)


@dataclass(frozen=True)
class WithVectors(Rounded):
    def item_vectors(self) -> Float32:
        return VECTORS


@dataclass(frozen=True)
class Fixed:
    """The same list for everybody."""

    items: tuple[int, ...]
    max_length: int = 5

    def score(self, batch: Batch) -> Scores:
        scores = np.full((len(batch), NUM_ITEMS + 1), -np.inf, np.float32)
        scores[:, self.items] = -np.arange(len(self.items), dtype=np.float32)
        return Scores(scores, {})


def slow_values(row: dict, k: int) -> dict[str, float]:
    items, future = row["list"], row["future_items"]
    pairs = list(itertools.combinations(items, 2))
    popular = sorted(range(1, NUM_ITEMS + 1), key=lambda item: (-COUNTS[item], item))[:k]
    distances, angles = [], []
    for one, other in pairs:
        shared_path = len(set(enumerate(PATHS[one])) & set(enumerate(PATHS[other])))
        distances.append(1 - 2 * shared_path / (len(PATHS[one]) + len(PATHS[other])))
        u, v = VECTORS[one - 1].astype(float), VECTORS[other - 1].astype(float)
        angles.append(1 - u @ v / math.sqrt((u @ u) * (v @ v)))
    values = {
        "novelty": np.mean([-math.log2(max(COUNTS[item], 1) / COUNTS.sum()) for item in items]),
        "serendipity": len(set(items) & future - set(popular)) / k,
        "tree_diversity": np.mean(distances),
        "vector_diversity": np.mean(angles),
    }
    wanted, shown = ([PATHS[item][0] for item in side] for side in (row["known"], items))
    values["miscalibration"] = sum(
        wanted.count(name) / len(wanted) * math.log(wanted.count(name) / len(wanted) / q)
        for name in set(wanted)
        for q in [0.99 * shown.count(name) / len(shown) + 0.01 * wanted.count(name) / len(wanted)]
    )
    return values


def slow_rows(lists: list[list[int]], k: int) -> list[dict]:
    """Each prefix of the sessions: its known items, its list and its future, one after another."""
    rows = []
    for session in lists:
        for end in range(1, len(session)):
            known = [item for item in session[:end] if item > 0]
            newest = np.array([known[-Rounded.max_length :]], np.int32)
            line = COUNTS.astype(np.float32)
            if known:
                line = Rounded().score(Batch(newest, np.array([newest.shape[1]], np.int32))).items[0]
            order = sorted(range(1, NUM_ITEMS + 1), key=lambda item: (-line[item], item))
            rows.append({"known": known, "list": order[:k], "future_items": set(session[end:])})
    return rows


@pytest.mark.parametrize("k", [2, 7, 20])
def test_against_a_slow_twin(k) -> None:
    lists = sessions()
    rows = slow_rows(lists, k)

    evaluation = evaluate(
        WithVectors(), CATALOG, split(lists), EvaluationOptions(k=k, metrics=("mrr", *NAMES), batch_size=7)
    )

    expected = [slow_values(row, k) for row in rows]
    for name in set(NAMES) - set(OF_ALL):
        values = evaluation.ranks[f"{name}@{k}"].to_pylist()
        assert values == pytest.approx([row[name] for row in expected], abs=1e-6), name
        assert evaluation.metrics[f"{name}@{k}"] == pytest.approx(np.mean(values))
        assert f"category_1/{name}@{k}" not in evaluation.metrics
        for group in evaluation.slices.values():
            total = sum(part["prefixes"] * part["metrics"][f"{name}@{k}"] for part in group)
            assert total == pytest.approx(sum(values))
    listed = [item for row in rows for item in row["list"]]
    assert evaluation.metrics[f"coverage@{k}"] == len(set(listed)) / NUM_ITEMS
    counts = [listed.count(item) for item in range(1, NUM_ITEMS + 1)]
    pairs = sum(abs(one - other) for one in counts for other in counts)
    assert evaluation.metrics[f"gini@{k}"] == pytest.approx(pairs / (2 * NUM_ITEMS * sum(counts)))
    of_lists = np.mean([COUNTS[row["list"]].mean() for row in rows])
    of_sessions = np.mean([COUNTS[row["known"]].mean() for row in rows if row["known"]])
    assert evaluation.metrics[f"popularity_lift@{k}"] == pytest.approx(of_lists / of_sessions - 1)
    assert not any(name.startswith(f"{other}@") for name in evaluation.ranks.column_names for other in OF_ALL)


def test_by_hand_on_the_toy_shop() -> None:
    """Everybody gets a0, a1, b0, d0: Apples twice, Bread, Drills; the session is a2, d1, a0."""
    numbers = {name: CATALOG.to_internal([name])[0] for name in ("a0", "a1", "a2", "b0", "d0", "d1")}
    shown = tuple(int(numbers[name]) for name in ("a0", "a1", "b0", "d0"))
    stored = Sessions.from_lists([[int(numbers[name]) for name in ("a2", "d1", "a0")]])

    names = ("precision", "map", "ndcg", *(set(NAMES) - {"vector_diversity"}))
    values = evaluate(Fixed(shown), CATALOG, stored, EvaluationOptions(k=4, metrics=names)).metrics

    counts = {name: int(COUNTS[number]) for name, number in numbers.items()}
    bits = [math.log2(COUNTS.sum() / counts[name]) for name in ("a0", "a1", "b0", "d0")]
    popular = set(np.argsort(-COUNTS[1:], kind="stable")[:4] + 1)
    hit = numbers["a0"] not in popular
    history = (counts["a2"] + (counts["a2"] + counts["d1"]) / 2) / 2
    listed = sum(counts[name] for name in ("a0", "a1", "b0", "d0")) / 4
    assert values == pytest.approx(
        {
            "prefixes": 2,
            "unseen_targets": 0,
            "empty_prefixes": 0,
            "tied_targets": 0,
            "ndcg@4": (0 + 1) / 2,  # d1 is not listed, a0 is first
            "precision@4": (1 / 4 + 1 / 4) / 2,
            "map@4": (1 / 2 + 1) / 2,  # of the future d1, a0 and then of a0
            "coverage@4": 4 / 48,
            "gini@4": 1 - 4 / 48,  # four items have all lists, equally
            "novelty@4": sum(bits) / 4,
            "serendipity@4": hit / 4,
            "popularity_lift@4": listed / history - 1,
            # Distances: a0 a1 0; a0 b0, a1 b0 1/2; a0 d0, a1 d0, b0 d0 1.
            "tree_diversity@4": (0 + 2 * 0.5 + 3 * 1) / 6,
            # Lists are 3/4 Food, 1/4 Tools; the sessions all Food, then half and half.
            "miscalibration@4": (
                math.log(1 / (0.99 * 0.75 + 0.01))
                + 0.5 * math.log(0.5 / (0.99 * 0.75 + 0.005))
                + 0.5 * math.log(0.5 / (0.99 * 0.25 + 0.005))
            )
            / 2,
        }
    )


def test_one_by_one_and_over_several_processes_the_same() -> None:
    names = tuple(name for name in NAMES if name != "vector_diversity")
    options = EvaluationOptions(k=(3, 5, 60), metrics=("hits", *names), batch_size=7)
    alone = evaluate(Rounded(), CATALOG, split(), options)

    for evaluation in shared(3, options)[0]:
        assert evaluation.metrics == alone.metrics
        assert evaluation.slices == alone.slices
        assert evaluation.ranks.equals(alone.ranks)
    single = {}
    for k in options.ks:
        single |= evaluate(Rounded(), CATALOG, split(), EvaluationOptions(k=k, metrics=("hits", *names))).metrics
    assert single == pytest.approx(alone.metrics)


def test_the_history_is_that_of_every_prefix() -> None:
    lists = [[1, -1, 2, 2, 5], [3], [-2, -3], [-4, 7, 1]]
    for prefixes in (Prefixes.every(Sessions.from_lists(lists)), Prefixes.last(Sessions.from_lists(lists))):
        expected = np.zeros(9)
        seen, lengths = prefixes.gather(np.arange(len(prefixes)), 9)
        for items, length in zip(seen, lengths, strict=True):
            for item in items[:length]:
                expected[item] += 1 / length
        assert list_metrics.history(prefixes, 8) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vector_diversity", "compares no item vectors, as trained models do"),
        ("tree_diversity", "has no categories"),
        ("novelty", "has no item that was seen in training"),
        ("popularity_lift", "has no item that was seen in training"),
    ],
)
def test_what_a_run_lacks_is_said_before_anything_is_scored(name, says, monkeypatch) -> None:
    monkeypatch.setattr(list_metrics, "known_nodes", lambda _: np.zeros((NUM_ITEMS + 1, 0), np.int32))
    if "training" in says:
        monkeypatch.setitem(CATALOG.__dict__, "train_count", np.zeros(NUM_ITEMS + 1, np.int64))
    with pytest.raises(BadInput, match=f"'{name}' can't be computed: this run {says}. Leave it out."):
        evaluate(Rounded(), CATALOG, split(), EvaluationOptions(metrics=("mrr", name)))


@pytest.mark.parametrize("name", NAMES)
def test_every_one_has_a_doctest_and_a_direction(name) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"{metrics.__name__}.{name}"))

    assert failed == 0
    assert tried >= 1
    expected = {"gini": "lower", "miscalibration": "lower", "popularity_lift": None}
    assert metrics.about(name).better == expected.get(name, "higher")
    assert metrics.is_of_all_lists(name) == (name in OF_ALL)


def test_one_for_all_lists_has_no_values_of_prefixes_and_must_keep_its_range(tmp_path) -> None:
    with pytest.raises(BadInput, match="'gini' is one number for all lists"):
        metrics.load("gini")
    with registered(tmp_path, wrong="USES = ('listed',)\n\ndef value(lists):\n    return 2.0\n"):
        options = EvaluationOptions(metrics=("mrr", "wrong"))
        with pytest.raises(BadInput, match=r"must return a number from 0 to 1, got 2\.0"):
            evaluate(Rounded(), CATALOG, split(), options)
