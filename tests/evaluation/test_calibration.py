import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from hiersrec.evaluation import calibration
from hiersrec.evaluation.calibration import BINS, Counter, confidences
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.store.batches import whole_sessions
from tests.evaluation.test_evaluate import CATALOG, NODES, Rounded, sessions, split


@dataclass(frozen=True)
class Logits(Rounded):
    """Other scores, said to be logits; spread so that some sessions are nearly certain."""

    steps: int = 1000
    scores_are_logits: Literal[True] = True

    def _one(self, table: np.ndarray, items: np.ndarray) -> np.ndarray:
        return 12 * super()._one(table, items)


def told(lists: list[list[int]]) -> dict[str, list[tuple[float, bool]]]:
    """Task -> the probability of the likeliest class, and whether it came, a prefix at a time."""
    pairs: dict[str, list[tuple[float, bool]]] = {"item": [], "category_1": [], "category_2": []}
    for session in lists:
        for end in range(1, len(session)):
            known = [item for item in session[:end] if item > 0]
            if known:
                scores = Logits().score(whole_sessions([known], Logits.max_length))
                labels = session[end], *NODES[max(session[end], 0)].tolist()
                for task, line, label in zip(pairs, [scores.items, *scores.categories.values()], labels, strict=True):
                    weights = [math.exp(score) for score in line[0, 1:].tolist()]
                    best = weights.index(max(weights))
                    pairs[task].append((weights[best] / sum(weights), best + 1 == label))
    return pairs


@pytest.mark.parametrize("batch_size", [7, 256])
def test_against_a_slow_twin(monkeypatch, batch_size) -> None:
    monkeypatch.setattr(calibration, "AT_ONCE", 100)

    found = evaluate(Logits(), CATALOG, split(), EvaluationOptions(batch_size=batch_size)).calibration

    expected = told(sessions())
    assert list(found) == list(expected)
    for task, pairs in expected.items():
        bins = {m: [pair for pair in pairs if m / BINS < pair[0] <= (m + 1) / BINS] for m in range(BINS)}
        rows = [
            (m / BINS, len(inside), *np.mean(inside, axis=0).tolist()) for m, inside in bins.items() if len(inside) > 0
        ]
        assert len(rows) > 2
        result = found[task]
        for row, (low, prefixes, confidence, accuracy) in zip(result["bins"], rows, strict=True):
            assert (row["low"], row["prefixes"]) == (low, prefixes)
            assert (row["confidence"], row["accuracy"]) == pytest.approx((confidence, accuracy), abs=1e-6)
        confidence, accuracy = np.mean(pairs, axis=0)
        ece = sum(prefixes * abs(right - sure) for _, prefixes, sure, right in rows) / len(pairs)
        assert result["prefixes"] == len(pairs)
        assert (result["confidence"], result["accuracy"], result["ece"]) == pytest.approx(
            (confidence, accuracy, ece), abs=1e-6
        )


def test_scores_that_are_no_logits_have_no_calibration() -> None:
    assert evaluate(Rounded(), CATALOG, split()).calibration == {}


def test_a_model_that_tells_its_own_rate_is_calibrated_and_one_twice_as_sure_is_not() -> None:
    random = np.random.default_rng(0)
    logits = np.concatenate([np.full((20_000, 1), -np.inf), random.normal(size=(20_000, 5)) * 2], axis=1)
    logits = logits.astype(np.float32)
    gumbel = random.gumbel(size=logits.shape)
    target = (logits + gumbel).argmax(axis=1)  # drawn from the softmax

    def ece(scores: np.ndarray) -> float:
        counter = Counter()
        counter.add(scores, target)
        return calibration.calibration(counter.counts)["ece"]

    assert ece(logits) < 0.02 < 0.1 < ece(2 * logits)


def test_certain_scores_and_those_of_items_that_are_not_ranked() -> None:
    scores = np.array([[-np.inf, 1e30, -1e30], [-np.inf, -np.inf, -5]], np.float32)

    assert confidences(scores, scores.max(axis=1)).tolist() == [1, 1]
    # One item, one session that has seen it: nothing is left to rank, and nothing is told.
    nothing = evaluate(Logits(), CATALOG, split([[*range(1, 49), 1]]), EvaluationOptions(exclude_seen=True))
    assert nothing.calibration["item"]["prefixes"] == 47
