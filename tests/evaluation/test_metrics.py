import doctest
import importlib
from dataclasses import replace
from fractions import Fraction
from math import log2

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hiersrec import registry
from hiersrec.errors import BadInput, UnknownName
from hiersrec.evaluation import metrics
from hiersrec.evaluation.metrics import Results
from tests.evaluation.other_metrics import GAIN, registered

BY_HAND = Results(
    rank=np.array([1, 3, 20, 21, 0]),
    future=np.array([3, 1, 4, 2, 2]),
    is_future=np.arange(20)
    == np.array([[0], [2], [19], [20], [20]])  # the target; prefix 0 has another at position 2, prefix 3 at position 5
    + np.zeros((5, 20), int),
)
BY_HAND.is_future[[0, 3], [1, 4]] = True
EXPECTED = {
    ("mrr", 20): (1 + Fraction(1, 3) + Fraction(1, 20)) / 5,
    ("mrr", 3): (1 + Fraction(1, 3)) / 5,
    ("hits", 20): Fraction(3, 5),
    ("hits", 2): Fraction(1, 5),
    ("recall", 20): (Fraction(2, 3) + 1 + Fraction(1, 4) + Fraction(1, 2)) / 5,
    ("recall", 1): Fraction(1, 3) / 5,
    ("any_hit", 20): Fraction(4, 5),
    ("any_hit", 4): Fraction(2, 5),
    ("ndcg", 20): (1 + Fraction(1, 2) + 1 / log2(21)) / 5,
    ("ndcg", 2): Fraction(1, 5),
    ("precision", 20): Fraction(2 + 1 + 1 + 1, 20) / 5,
    ("precision", 2): Fraction(2, 2) / 5,
    ("map", 20): (Fraction(2, 3) + Fraction(1, 3) + Fraction(1, 20) / 4 + Fraction(1, 5) / 2) / 5,
    ("map", 1): Fraction(1, 3) / 5,
}
NAMES = [name for name in registry.names(metrics.FOLDER) if not metrics.is_of_lists(name)]
"""Metrics of positions, which measure every task; the others are tested in test_list_metrics.py."""


def random_results(seed: int, size: int = 30, length: int = 12) -> Results:
    """Results that are possible: the target is listed at its rank, and all listed future items are counted."""
    random = np.random.default_rng(seed)
    rank = random.integers(0, 2 * length, size)
    is_future = random.random((size, length)) < 0.2
    is_future[np.arange(size)[rank > 0], np.minimum(rank[rank > 0], length) - 1] = rank[rank > 0] <= length
    missing = (rank == 0) | (rank > length)
    return Results(rank, is_future.sum(axis=1) + missing + random.integers(0, 3, size), is_future)


def part(results: Results, rows: np.ndarray | slice) -> Results:
    return Results(results.rank[rows], results.future[rows], results.is_future[rows])


def test_the_default_metrics_are_members() -> None:
    assert set(metrics.DEFAULT) < set(NAMES)
    assert [name for name in NAMES if metrics.is_of_ranks(metrics.load(name))] == ["hits", "mrr", "ndcg"]
    assert {metrics.about(name) for name in NAMES} == {("higher", 0.0, 1.0)}


@pytest.mark.parametrize(("metric", "expected"), EXPECTED.items(), ids=str)
def test_means_by_hand(metric, expected) -> None:
    name, k = metric

    values = metrics.values(metrics.load(name), BY_HAND, k)

    assert values.mean() == pytest.approx(float(expected), rel=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_has_a_mean_by_hand_and_a_doctest(name) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"{metrics.__name__}.{name}"))

    assert failed == 0
    assert tried >= 1
    assert name in {metric for metric, _ in EXPECTED}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
@example(150, 7)  # numpy adds eight numbers in another order than seven
def test_every_metric_keeps_the_contract(name, seed, k) -> None:
    metric, results = metrics.load(name), random_results(seed)
    values = metrics.values(metric, results, k)

    assert ((values >= 0) & (values <= 1)).all()
    order = np.random.default_rng(seed).permutation(len(values))
    assert np.array_equal(metrics.values(metric, part(results, order), k), values[order]), "depends on other prefixes"
    assert len(metrics.values(metric, part(results, slice(0, 0)), k)) == 0
    other = vars(random_results(seed + 1))
    unread = {field: array for field, array in other.items() if field not in metric.USES}
    assert np.array_equal(metrics.values(metric, replace(results, **unread), k), values), "reads more than USES"
    nothing = Results(np.zeros(30, int), results.future, np.zeros_like(results.is_future))
    assert not metrics.values(metric, nothing, k).any(), "a miss counts"
    cut = Results(results.rank, results.future, results.is_future[:, :k])
    assert np.array_equal(metrics.values(metric, cut, k), values), "looks beyond k"
    longer = metrics.values(metric, results, k + 1)
    assert name == "precision" or (values <= longer * (1 + 1e-12)).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 40))
def test_a_better_rank_is_never_worse(ranks, k) -> None:
    worse = Results.of_ranks(np.array(ranks))
    better = Results.of_ranks(np.maximum(worse.rank - 1, 1))
    mrr, ndcg, hits = map(metrics.load, ("mrr", "ndcg", "hits"))
    for metric in (mrr, ndcg, hits):
        assert (metric.values(worse, k) <= metric.values(better, k)).all()
    assert (mrr.values(worse, k) <= ndcg.values(worse, k)).all()
    assert (ndcg.values(worse, k) <= hits.values(worse, k)).all()
    assert (mrr.values(worse, 1) == hits.values(worse, 1)).all()
    assert (ndcg.values(worse, 1) == hits.values(worse, 1)).all()


def test_a_list_metric_over_all_future_items_fits(tmp_path) -> None:
    """NDCG by hand: future items at positions 1 and 2 of three; at 3 of one; 5 of two."""
    with registered(tmp_path, gain=GAIN):
        values = metrics.values(metrics.load("gain"), BY_HAND, 10)

    third, fifth = 1 / np.log2(4), 1 / np.log2(6)
    second = 1 / np.log2(3)
    expected = [(1 + second) / (1 + second + third), third, 0, fifth / (1 + second), 0]
    assert values == pytest.approx(expected)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownName, match=r"No 'mmr' in hiersrec/evaluation/metrics/\. Did you mean 'mrr'\? Known: any_hit"
    ):
        metrics.load("mmr")


BROKEN = {
    "no USES": ("def values(results, k): ...", r"must have USES, a tuple of some of rank, .*; got USES = None"),
    "unknown field": ("USES = ('ranks',)\ndef values(results, k): ...", r"got USES = \('ranks',\)"),
    "no tuple": ("USES = 'rank'\ndef values(results, k): ...", "got USES = 'rank'"),
    "all lists": (
        "USES = ('rank',)\ndef value(lists): ...",
        r"or some of listed, history, train_count and value\(lists\)",
    ),
    "direction": (
        "USES = ('rank',)\nBETTER = 'up'\ndef values(results, k): ...",
        "must have BETTER = .*; got 'up' and",
    ),
    "range": ("USES = ('rank',)\nRANGE = (1, 1)\ndef values(results, k): ...", r"got 'higher' and \(1, 1\)"),
    "no function": ("USES = ('rank',)", r"and the function values\(results, k\)"),
}


@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_member_that_declares_nothing_useful_is_refused(tmp_path, source, message) -> None:
    with registered(tmp_path, broken=source), pytest.raises(BadInput, match=message):
        metrics.load("broken")


WRONG = {
    "shape": (
        "results.rank[:2] * 1.0",
        "must return 5 float64 values from 0 to 1 for 5 prefixes, got float64 of shape",
    ),
    "type": ("results.rank", "got int64 of shape"),
    "range": ("results.rank * 1.0", r"got float64 of shape \(5,\), 0.0 to 21.0\. Correct the metric"),
    "nan": ("results.rank * float('nan')", "nan to nan"),
}


@pytest.mark.parametrize(("returned", "message"), WRONG.values(), ids=WRONG)
def test_values_that_break_the_contract_are_refused(tmp_path, returned, message) -> None:
    source = f"USES = ('rank',)\n\ndef values(results, k):\n    return {returned}\n"
    with registered(tmp_path, wrong=source), pytest.raises(BadInput, match=message):
        metrics.values(metrics.load("wrong"), BY_HAND, 20)
