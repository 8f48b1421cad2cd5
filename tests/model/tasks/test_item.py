"""Equations 4 and 6: the heads over all items."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.tasks.item import Config, build, members
from tests.model.world import N, catalog

WIDTH, ITEM_WIDTH = 5, 3
HEADS = ["linear", "cosine"]


def made(head: str, scale: float = 14.0):
    torch.manual_seed(0)
    return build(Config(head=head, scale=scale), catalog(), WIDTH, nn.Embedding(N + 1, ITEM_WIDTH, padding_idx=0))


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def slow_linear(task, state: list[float], item: int) -> float:
    return dot(task.fc.weight[item - 1].tolist(), state) + task.fc.bias[item - 1].item()


def slow_cosine(task, state: list[float], item: int) -> float:
    query = [dot(row, state) for row in task.project.weight.tolist()]
    vector = task.item_table.weight[item].tolist()
    return task.scale * dot(query, vector) / math.sqrt(dot(query, query) * dot(vector, vector))


SLOW = {"linear": slow_linear, "cosine": slow_cosine}


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

    assert task.loss(state, targets).item() == pytest.approx(sum(losses) / 4, rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_gradients_are_those_of_the_scores(head) -> None:
    task, targets = made(head), torch.tensor([1, N, 3])
    torch.manual_seed(1)
    state = torch.randn(3, WIDTH, requires_grad=True)
    leaves: list[Tensor] = [state, *task.parameters()]

    found = torch.autograd.grad(task.loss(state, targets), leaves)
    expected = torch.autograd.grad(functional.cross_entropy(task(state), targets - 1), leaves)

    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_the_linear_form_gives_the_scores_at_its_state(head) -> None:
    task = made(head)
    states, items = torch.randn(6, WIDTH), torch.tensor([2, N, 1, 2])

    for state in states:
        vectors, bias = task.linear_form(state, items)
        assert (vectors.shape, bias.shape) == ((4, WIDTH), (4,))
        torch.testing.assert_close(vectors @ state + bias, task(state[None])[0, items - 1], rtol=1e-5, atol=1e-5)


def test_the_cosine_knows_directions_only() -> None:
    task = made("cosine", scale=3.0)
    state = torch.randn(2, WIDTH)
    before = task(state)

    with torch.no_grad():
        task.item_table.weight[4] *= 100

    assert before.abs().max() <= 3.0 + 1e-5
    torch.testing.assert_close(task(state * 50), before)
    torch.testing.assert_close(made("cosine", scale=6.0)(state), 2 * before)


def test_the_cosine_shares_the_inputs_table_and_the_linear_head_has_its_own() -> None:
    table = nn.Embedding(N + 1, ITEM_WIDTH)

    assert build(Config(head="cosine"), catalog(), WIDTH, table).item_table is table
    assert not any(one is table.weight for one in build(Config(), catalog(), WIDTH, table).parameters())


def test_it_is_one_task_over_all_items() -> None:
    assert members(Config(), catalog()) == {"item": Config()}
    assert [made(head).num_classes for head in HEADS] == [N, N]


def test_a_state_of_zeros_gives_scores_that_are_numbers() -> None:
    for head in HEADS:
        assert torch.isfinite(made(head)(torch.zeros(1, WIDTH))).all()
