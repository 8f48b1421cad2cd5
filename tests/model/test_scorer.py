"""What every model promises, whatever its recipe: scores are a function of the session, and parts add up to them."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.model.scorer import ModelScorer
from hiersrec.store.batches import whole_sessions
from hiersrec.types import Batch, Explainer, Scores
from tests.model.world import VARIANTS, N, batch, model, tensors

every = pytest.mark.parametrize("scorer", VARIANTS, indirect=True)
session = st.lists(st.integers(1, N), min_size=1, max_size=10)


@cache
def built(variant: str) -> ModelScorer:
    return ModelScorer(model(VARIANTS[variant]()))


@pytest.fixture(scope="module")
def scorer(request) -> ModelScorer:
    return built(request.param)


def assert_same(found: Scores, expected: Scores) -> None:
    assert found.tasks.keys() == expected.tasks.keys()
    pairs = [(found.items, expected.items), *((found.tasks[at], expected.tasks[at]) for at in found.tasks)]
    for one, other in pairs:
        np.testing.assert_allclose(one[:, 1:], other[:, 1:], rtol=1e-4, atol=1e-5)


def of_rows(scores: Scores, rows: list[int]) -> Scores:
    return Scores(scores.items[rows], {task: found[rows] for task, found in scores.tasks.items()})


@every
def test_shapes_types_and_padding(scorer) -> None:
    found = scorer.score(batch(9))

    assert (found.items.dtype, found.items.shape) == (np.float32, (9, N + 1))
    assert found.categories.keys() in ({1, 2}, set())
    for level, scores in found.categories.items():
        assert (scores.dtype, scores.shape) == (np.float32, (9, {1: 3, 2: 5}[level]))
    for scores in (found.items, *found.categories.values()):
        assert (scores[:, 0] == -np.inf).all()
        assert np.isfinite(scores[:, 1:]).all()


@every
def test_twice_in_a_row_gives_the_same_numbers_even_in_training(scorer) -> None:
    scorer.model.train()

    first, second = scorer.score(batch(9)), scorer.score(batch(9))

    assert first.items.tobytes() == second.items.tobytes()
    assert ModelScorer(scorer.model).score(batch(9)).items.tobytes() == first.items.tobytes()
    assert scorer.model.training, "the model's mode comes back"


@every
def test_more_padding_changes_nothing(scorer) -> None:
    of = batch(9, longest=6)
    wider = Batch(np.pad(of.items, ((0, 0), (0, 4))), of.lengths)

    assert_same(scorer.score(wider), scorer.score(of))


@every
def test_rows_do_not_see_one_another(scorer) -> None:
    of = batch(9)

    whole = scorer.score(of)

    for row, length in enumerate(of.lengths):
        alone = Batch(of.items[row : row + 1, :length], of.lengths[row : row + 1])
        assert_same(scorer.score(alone), of_rows(whole, [row]))


@every
def test_the_order_of_rows_is_the_order_of_answers(scorer) -> None:
    of, order = batch(9), np.random.default_rng(0).permutation(9)

    assert_same(scorer.score(Batch(of.items[order], of.lengths[order])), of_rows(scorer.score(of), order.tolist()))


@every
def test_scores_are_the_models_logits(scorer) -> None:
    of = batch(4)
    scorer.model.eval()

    logits = scorer.model(*tensors(of))

    np.testing.assert_array_equal(scorer.score(of).items[:, 1:], logits["item"].detach().numpy())


@every
def test_the_bf16_of_the_training_does_not_reach_the_scores(scorer) -> None:
    """A training under autocast leaves float32 weights, so lists have no ties from rounding."""
    assert {one.dtype for one in scorer.model.parameters()} == {torch.float32}


@every
@settings(max_examples=15, deadline=None)
@given(items=session, asked=st.lists(st.integers(1, N), min_size=1, max_size=6))
def test_the_parts_add_up_to_the_scores(scorer, items, asked) -> None:
    of = whole_sessions([items], scorer.max_length)

    parts = scorer.explain(of, np.array(asked, np.int32))
    scores = scorer.score(of).items[0, asked]

    total = np.sum([part.values for part in parts], axis=0)
    size = np.sum([np.abs(part.values) for part in parts], axis=0)
    # Where the products of a part cancel out, float32 rounds to parts of the vectors' lengths, not of the sum.
    assert (np.abs(total - scores) <= 1e-4 * size + 2e-6).all()
    for part in parts:
        assert part.values.dtype == np.float32
        assert part.values.shape == (len(asked),)
        if part.by_class is not None:
            np.testing.assert_allclose(part.by_class.sum(1), part.values, rtol=1e-4, atol=1e-5)


@every
def test_explain_passes_over_the_padding_of_its_session(scorer) -> None:
    tight, asked = whole_sessions([[3, 5, 12]], 10), np.array([1, 7], np.int32)
    padded = Batch(np.pad(tight.items, ((0, 0), (0, 3))), tight.lengths)

    for one, other in zip(scorer.explain(padded, asked), scorer.explain(tight, asked), strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-5, atol=1e-6)


def test_sources_are_the_tasks_that_the_item_task_reads() -> None:
    found = {
        name: [part.source for part in built(name).explain(whole_sessions([[1]], 10), np.array([1], np.int32))]
        for name in VARIANTS
    }

    assert found["default"] == found["paper"] == ["session", "bias", "category_1", "category_2", "average_item"]
    assert found["single-task"] == found["multi-task"] == ["session", "bias", "average_item"]
    assert found["trend"] == ["session", "bias", "trend", "category_1", "category_2", "average_item"]


@every
def test_every_part_is_told_against_the_average_item(scorer) -> None:
    """Its mean over all items is 0, class by class; but what seen items add is told against items that were not."""
    *parts, shared = scorer.explain(whole_sessions([[3, 5]], 10), np.arange(1, N + 1, dtype=np.int32))

    for part in parts:
        if part.source == "repeat":
            assert set(np.flatnonzero(part.values).tolist()) <= {3 - 1, 5 - 1}
        else:
            np.testing.assert_allclose(part.values.mean(), 0, atol=1e-5)
            assert part.by_class is None or np.abs(part.by_class.mean(axis=0)).max() < 1e-5
    assert len(set(shared.values.tolist())) == 1


@every
def test_it_is_an_explainer(scorer) -> None:
    assert isinstance(scorer, Explainer)
    assert scorer.max_length == 10


def test_item_vectors_are_made_once(monkeypatch) -> None:
    scorer, made = ModelScorer(model(VARIANTS["default"]())), []
    vectors = scorer.model.item_vectors
    monkeypatch.setattr(scorer.model, "item_vectors", lambda: made.append(1) or vectors())

    for size in (1, 9):
        scorer.score(batch(size))
    scorer.explain(batch(1), np.array([1], np.int32))
    before = scorer.score(batch(9)).items
    scorer.item_vectors()[:] = 0

    assert made == [1]
    assert scorer.score(batch(9)).items.tobytes() == before.tobytes()


def test_explain_takes_one_session() -> None:
    with pytest.raises(AssertionError, match="one session at a time"):
        built("default").explain(batch(2), np.array([1], np.int32))
