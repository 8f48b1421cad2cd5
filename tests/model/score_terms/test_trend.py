"""What comes more often lately, against counting it by hand."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from hiersrec.build import build_model
from hiersrec.model.score_terms.trend import HALF_LIFE, trend
from hiersrec.store.sessions import Sessions
from tests.model.world import N, batch, catalog, model, recipe, tensors


def by_hand(num_items: int, sessions: list[list[int]]) -> list[float]:
    """Event by event."""
    events = [
        (item, 0.5 ** ((len(sessions) - at) / len(sessions) / HALF_LIFE))
        for at, session in enumerate(sessions)
        for item in session
    ]
    factor = sum(weight for _, weight in events) / sum(weight**2 for _, weight in events)
    lately, whole = [0.0] * num_items, [0] * num_items
    for item, weight in events:
        lately[item - 1] += factor * weight
        whole[item - 1] += 1
    expected = [count * sum(lately) / len(events) for count in whole]
    more = sum((c - e) ** 2 - e for c, e in zip(lately, expected, strict=True))
    if more <= 0:
        return [0.0] * num_items
    shape = sum(e * e for e in expected) / more
    return [math.log((c + shape) / (e + shape)) for c, e in zip(lately, expected, strict=True)]


def drifting(seed: int = 0, sessions: int = 200) -> list[list[int]]:
    """Items 1 to 8; the last tenth of the sessions wants the first two. Item 9 never comes."""
    random = np.random.default_rng(seed)
    old = [random.integers(1, 9, random.integers(1, 6)).tolist() for _ in range(sessions * 9 // 10)]
    return [*old, *(random.integers(1, 3, 4).tolist() for _ in range(sessions // 10))]


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_counting_by_hand_gives(seed) -> None:
    sessions = drifting(seed)

    found = trend(9, Sessions.from_lists(sessions))

    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(by_hand(9, sessions), rel=1e-5)
    assert (found[:2] > 0).all()
    assert (found[2:8] < 0).all()
    assert found[8] == 0, "an item that never comes has no trend"


def test_counts_that_vary_no_more_than_by_chance_are_no_trend() -> None:
    """Sessions in random order, as where time is unknown."""
    random = np.random.default_rng(2)
    found = [trend(50, Sessions.from_lists(random.integers(1, 51, (900, 3)).tolist())) for _ in range(20)]

    assert sum(not one.any() for one in found) >= 5
    assert max(np.abs(one).max() for one in found) < 0.2


def test_the_more_evidence_the_less_is_shrunk() -> None:
    """Lately items 1 and 2 both come twice as often; item 1 has fifty times the events."""
    old, new = [1] * 50 + [2] + [3] * 149, [1] * 100 + [2] * 2 + [3] * 98

    found = trend(3, Sessions.from_lists([old] * 80 + [new] * 20))

    assert found[0] > found[1] > 0 > found[2]
    assert found[0] < math.log(2), "and never past the ratio of the counts"


def test_the_order_within_a_session_is_nothing_and_that_of_sessions_is_all() -> None:
    sessions = drifting()

    given = trend(9, Sessions.from_lists(sessions))
    turned = trend(9, Sessions.from_lists([one[::-1] for one in sessions]))
    backwards = trend(9, Sessions.from_lists(sessions[::-1]))

    assert turned.tolist() == pytest.approx(given.tolist(), rel=1e-6)
    assert (backwards[:2] < 0).all()


def test_one_session_and_none_with_items() -> None:
    assert trend(2, Sessions.from_lists([[1, 2]])).tolist() == [0.0, 0.0]
    assert trend(2, Sessions.from_lists([[]])).tolist() == [0.0, 0.0]


def test_scores_have_it_and_training_has_not() -> None:
    sessions = Sessions.from_lists(drifting())
    made = {}
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        made[weight] = build_model(recipe("encoder.dropout=0.0", f"tasks.item.trend={weight}"), catalog(), sessions)
    given = tensors(batch())

    for training in (True, False):
        plain, moved = (one.train(training)(*given) for one in made.values())
        by = 0 if training else 0.5 * trend(N, sessions)
        np.testing.assert_allclose((moved["item"] - plain["item"]).detach(), np.broadcast_to(by, (9, N)), atol=1e-5)
        assert torch.equal(plain["category_2"], moved["category_2"])


def test_who_reads_the_item_task_reads_it_without() -> None:
    order = [table for table in recipe("tasks.item.trend=0.5").tasks if table.name == "item"]
    order += [dataclasses.replace(table, reads=("item",)) for table in recipe().tasks if table.name == "category"]
    order[0] = dataclasses.replace(order[0], reads=())
    made = model(dataclasses.replace(recipe(), tasks=tuple(order))).eval()
    given = tensors(batch())

    moved = made(*given)
    made.get_submodule("trend").get_buffer("values").zero_()
    plain = made(*given)

    assert not torch.equal(moved["item"], plain["item"])
    assert torch.equal(moved["category_1"], plain["category_1"])


@pytest.mark.parametrize("strict", [True, False])
def test_weights_of_older_runs_have_it_under_the_name_of_the_term(strict) -> None:
    made = build_model(recipe("tasks.item.trend=1.0"), catalog())
    weights = made.state_dict()
    del weights["trend.values"]
    weights["trend"] = torch.linspace(-1, 1, N)

    result = made.load_state_dict(weights, strict=strict)

    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert torch.equal(made.item_terms["trend"](), torch.linspace(-1, 1, N))
    assert "trend" in weights, "the caller's weights stay as they are"
