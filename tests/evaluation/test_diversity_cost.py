"""The cost of spread lists, against lists of the ranker that serves, counted one by one."""

from dataclasses import replace

import numpy as np
import pytest

from hiersrec.errors import BadInput
from hiersrec.evaluation.diversity_cost import PLAIN, Setting, diversity_cost
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.retrieval.diversity import known_paths, mean_distance
from hiersrec.retrieval.ranking import FullRanker, ListRequest
from hiersrec.store.batches import whole_sessions
from hiersrec.store.sessions import Sessions
from tests.retrieval.world import ITEMS, Waves, world

SESSIONS = [[item, 7 * item % ITEMS + 1, 11 * item % ITEMS + 1, -1 - item][: 2 + item % 3] for item in range(1, 31)]
SETTINGS = [Setting(diversity=0.3), Setting(diversity=0.8), Setting(per_category=1), PLAIN]


@pytest.mark.parametrize("last_only", [False, True])
def test_it_counts_what_the_lists_of_the_ranker_hold(last_only) -> None:
    known = world(3)
    size, rows = diversity_cost(
        Waves(), known, Sessions.from_lists(SESSIONS), SETTINGS, EvaluationOptions(k=6, last_only=last_only)
    )

    prefixes = [
        (session[:end], session[end])
        for session in SESSIONS
        for end in range(len(session) - 1 if last_only else 1, len(session))
    ]
    assert size == len(prefixes)
    assert [(row["diversity"], row["per_category"]) for row in rows] == [(0, None), (0.3, None), (0.8, None), (0, 1)]
    for row in rows:
        request = ListRequest(k=6, diversity=row["diversity"], per_category=row["per_category"])
        ranked = FullRanker(Waves(), known).rank(whole_sessions([seen for seen, _ in prefixes], 3), request)
        hits, reciprocal, distance = 0, 0.0, 0.0
        for items, (_, target) in zip(ranked.items, prefixes, strict=True):
            if target in items.tolist():
                hits += 1
                reciprocal += 1 / (items.tolist().index(target) + 1)
            distance += mean_distance(known_paths(known, items))
        expected = [value / size for value in (hits, reciprocal, distance)]
        assert [row["hits@6"], row["mrr@6"], row["tree_diversity@6"]] == pytest.approx(expected)
    assert rows[0]["tree_diversity@6"] < rows[1]["tree_diversity@6"] < rows[2]["tree_diversity@6"]
    assert rows[0]["hits@6"] > 0


def test_lists_in_the_order_of_scores_have_the_metrics_of_a_report_and_progress_is_told() -> None:
    known, sessions, told = world(3), Sessions.from_lists(SESSIONS), []
    options = EvaluationOptions(k=(2, 6), batch_size=16)

    _, [row] = diversity_cost(Waves(), known, sessions, [], options, lambda *done: told.append(done))

    names = ("hits", "mrr", "tree_diversity")
    metrics = evaluate(Waves(), known, sessions, replace(options, metrics=names)).metrics
    assert [row[f"{name}@6"] for name in names] == pytest.approx([metrics[f"{name}@6"] for name in names], rel=1e-12)
    assert told[-1] == (metrics["prefixes"], metrics["prefixes"])
    assert len(told) == int(np.ceil(metrics["prefixes"] / 16))


def test_there_must_be_something_to_measure() -> None:
    with pytest.raises(BadInput, match="There is nothing to evaluate"):
        diversity_cost(Waves(), world(3), Sessions.from_lists([[1]]), [], EvaluationOptions())
