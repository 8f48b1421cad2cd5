"""Equations 4 and 6: the heads over all items."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, build, members
from tests.model.world import N, catalog

WIDTH = 11
HEADS = ["linear", "cosine", "mixed", "dot"]


def inputs_of(**settings: float) -> Inputs:
    """d_I = 3, d_C = 4, d_M = 4."""
    return Inputs(InputsConfig(item_width=3, category_width=4, metadata_width=4, **settings), catalog())


def made(head: str, scale: float = 14.0, inputs: Inputs | None = None):
    """A head; "mixed" is the cosine with E^I + A [E^C ; E^M]; "dot" has inputs of ids alone, as wide as the state."""
    torch.manual_seed(0)
    if head == "dot":
        inputs = Inputs(InputsConfig(item_width=WIDTH, category_width=0, metadata_width=0), catalog())
    words = {"head": "cosine", "vectors": "id+metadata"} if head == "mixed" else {"head": head}
    return build(Config(**words, scale=scale), catalog(), WIDTH, inputs or inputs_of())


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def slow_linear(task, state: list[float], item: int) -> float:
    return dot(task.fc.weight[item - 1].tolist(), state) + task.fc.bias[item - 1].item()


def slow_cosine(task, state: list[float], item: int) -> float:
    query = [dot(row, state) for row in task.project.weight.tolist()]
    vector = task.id_vectors(torch.tensor([item]))[0].tolist()
    if task.mix is not None:
        content = task.content(torch.tensor([item]))[0].tolist()
        vector = [one + dot(row, content) for one, row in zip(vector, task.mix.weight.tolist(), strict=True)]
    return task.scale * dot(query, vector) / math.sqrt(dot(query, query) * dot(vector, vector))


def slow_dot(task, state: list[float], item: int) -> float:
    return dot(task.id_vectors(torch.tensor([item]))[0].tolist(), state)


SLOW = {"linear": slow_linear, "cosine": slow_cosine, "mixed": slow_cosine, "dot": slow_dot}


@pytest.mark.parametrize("head", HEADS)
def test_scores(head) -> None:
    task = made(head)
    state = torch.randn(4, WIDTH)

    found = task(state)

    expected = [[SLOW[head](task, row, item) for item in range(1, N + 1)] for row in state.tolist()]
    assert found.shape == (4, N)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_the_loss_is_the_cross_entropy_of_the_next_item(head) -> None:
    task = made(head)
    state, targets = torch.randn(4, WIDTH), torch.tensor([1, N, 3, 3])

    losses = []
    for row, target in zip(state.tolist(), targets.tolist(), strict=True):
        scores = {item: SLOW[head](task, row, item) for item in range(1, N + 1)}
        losses.append(math.log(sum(math.exp(one) for one in scores.values())) - scores[target])

    assert task.loss(state, Targets(targets)).item() == pytest.approx(sum(losses) / 4, rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_gradients_are_those_of_the_scores(head) -> None:
    task, targets = made(head), torch.tensor([1, N, 3])
    torch.manual_seed(1)
    state = torch.randn(3, WIDTH, requires_grad=True)
    leaves: list[Tensor] = [state, *task.parameters()]

    found = torch.autograd.grad(task.loss(state, Targets(targets)), leaves)
    expected = torch.autograd.grad(functional.cross_entropy(task(state), targets - 1), leaves)

    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_linear_form_gives_the_scores_at_its_state(head) -> None:
    task = made(head)
    states, items = torch.randn(6, WIDTH), torch.tensor([2, N, 1, 2])

    for state in states:
        vectors, bias = task.linear_form(state, task.vectors(items)), task.biases(items)
        assert vectors.shape == (4, WIDTH)
        scores = vectors @ state if bias is None else vectors @ state + bias
        torch.testing.assert_close(scores, task(state[None])[0, items - 1], rtol=1e-5, atol=1e-5)


def test_the_cosine_knows_directions_only() -> None:
    inputs = inputs_of()
    task = made("cosine", 3.0, inputs)
    state = torch.randn(2, WIDTH)
    before = task(state)

    with torch.no_grad():
        inputs.item_table.weight[4] *= 100

    assert before.abs().max() <= 3.0 + 1e-5
    torch.testing.assert_close(task(state * 50), before)
    torch.testing.assert_close(made("cosine", 6.0, inputs)(state), 2 * before)


def test_the_cosine_scores_with_the_inputs_table_and_keeps_no_copy_of_it() -> None:
    inputs = inputs_of()
    task = made("cosine", inputs=inputs)
    before = task(torch.ones(1, WIDTH))

    with torch.no_grad():
        inputs.item_table.weight[4] *= -1

    after = task(torch.ones(1, WIDTH))
    assert after[0, 3] == -before[0, 3]
    assert torch.equal(after[0, 4:], before[0, 4:])
    assert list(task.state_dict()) == ["project.weight"]
    assert list(made("mixed").state_dict()) == ["project.weight", "mix.weight"]


def test_an_item_without_a_vector_is_scored_through_categories_and_metadata() -> None:
    """Item 2 has the category of item 1; without E^I their scores differ by their metadata alone."""
    inputs = inputs_of()
    with torch.no_grad():
        inputs.item_table.weight[:] = 0
        for table in inputs.feature_tables:
            table.weight[:] = 0
    state = torch.randn(3, WIDTH)

    by_id, mixed = made("cosine", inputs=inputs)(state), made("mixed", inputs=inputs)(state)

    assert by_id.abs().max() == 0
    assert mixed.abs().min() > 0
    assert torch.equal(mixed[:, 0], mixed[:, 1])
    assert (mixed[:, 0] - mixed[:, 2]).abs().min() > 1e-3


def test_gradients_reach_the_mix_and_all_tables_through_the_scores() -> None:
    inputs = inputs_of()
    task = made("mixed", inputs=inputs)

    task.loss(torch.randn(4, WIDTH), Targets(torch.tensor([1, 2, 5, 9]))).backward()

    assert task.mix.weight.grad.abs().max() > 1e-3
    for table in (inputs.item_table, *inputs.level_tables, *inputs.feature_tables):
        assert (table.weight.grad.abs().sum(1) > 0).tolist()[1:].count(False) <= 1, "one word may be in no item"
        assert table.weight.grad[0].abs().max() == 0, "padding learns nothing"


def test_items_that_a_step_drops_have_no_vector_in_the_scores_either() -> None:
    inputs = inputs_of(id_dropout=0.5)
    by_id, mixed = made("cosine", inputs=inputs), made("mixed", inputs=inputs)
    torch.manual_seed(2)
    inputs(torch.tensor([[1, 2]]))  # the step begins: it draws
    kept = inputs.id_vectors().abs().sum(1) > 0
    state = torch.randn(3, WIDTH)

    dropped, full = by_id(state), mixed(state)
    inputs.eval()

    assert 0 < kept.sum() < N
    assert torch.equal(dropped == 0, (~kept).expand(3, N))
    assert torch.equal((full != mixed(state)).all(0), ~kept)
    assert (full != 0).all()


def test_a_target_without_a_vector_teaches_the_mix_and_nothing_breaks() -> None:
    inputs = inputs_of(id_dropout=0.5)
    torch.manual_seed(2)
    inputs(torch.tensor([[1]]))
    for head in ("cosine", "mixed"):
        inputs.zero_grad()
        made(head, inputs=inputs).loss(torch.randn(N, WIDTH), Targets(torch.arange(1, N + 1))).backward()

        grad = inputs.item_table.weight.grad[1:]
        assert torch.isfinite(grad).all()
        assert torch.equal(grad.abs().sum(1) > 0, inputs.id_vectors().abs().sum(1) > 0)


def test_on_a_dataset_of_ids_alone_an_item_is_compared_by_its_id_alone() -> None:
    bare = catalog(levels=False, features=False)
    inputs = Inputs(InputsConfig(), bare)
    state = torch.randn(2, inputs.width)
    found = []
    for vectors in ("id", "id+metadata"):
        torch.manual_seed(0)
        found.append(build(Config(head="cosine", vectors=vectors), bare, inputs.width, inputs)(state))

    assert torch.equal(*found)


def test_it_is_one_task_over_all_items() -> None:
    assert members(Config(), catalog()) == {"item": Config()}
    assert [made(head).num_classes for head in HEADS] == [N] * len(HEADS)


def test_a_state_of_zeros_gives_scores_that_are_numbers() -> None:
    for head in HEADS:
        assert torch.isfinite(made(head)(torch.zeros(1, WIDTH))).all()


def test_the_dot_scores_with_the_inputs_table_and_has_no_weights_of_its_own() -> None:
    inputs = Inputs(InputsConfig(item_width=WIDTH, category_width=0, metadata_width=0), catalog())
    task = build(Config(head="dot"), catalog(), WIDTH, inputs)
    state = torch.randn(3, WIDTH, requires_grad=True)

    task.loss(state, Targets(torch.tensor([1, 2, 3]))).backward()

    assert dict(task.state_dict()) == {}
    assert inputs.item_table.weight.grad[1:].abs().sum(1).min() > 0
    assert state.grad.abs().max() > 0
