"""P(i) = P(c) P(i | c), against the plain formula."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.heads import Head
from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.softmax import coarse_to_fine
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, build
from hiersrec.store.catalog import Catalog
from tests.model.world import N, catalog

WIDTH = 11
HEADS = pytest.mark.parametrize("head", ["linear", "cosine", "mixed"])
TARGETS = torch.tensor([1, 12, 7, 7, 3, 5])
NODES = [0, 1, 1, 2, 2, 5, 3, 3, 4, 4, 4, 4, 6]
"""Of items 1 to 12 at the finest level; 5 is "unknown" under A, 6 that of the item without any category."""


def made(head: str = "cosine", items: Catalog | None = None) -> Head:
    torch.manual_seed(0)
    items = items or catalog()
    words = {"head": "cosine", "vectors": "id+metadata"} if head == "mixed" else {"head": head}
    inputs = Inputs(InputsConfig(item_width=3, category_width=4, metadata_width=4), items)
    return build(Config(**words, softmax="coarse_to_fine"), items, WIDTH, inputs)


def states(count: int = len(TARGETS)) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(2)).requires_grad_()


def slow(task: Head, state: Tensor) -> list[list[float]]:
    """log P(i) of every item, for each state."""
    scores = functional.linear(task.query(state), task.vectors(), task.biases()).tolist()
    coarse = functional.linear(state, task.softmax.coarse.weight, task.softmax.coarse.bias).tolist()
    found = []
    for row, of_node in zip(scores, coarse, strict=True):
        total = sum(math.exp(of_node[node - 1]) for node in set(NODES[1:]))
        inside = dict.fromkeys(NODES[1:], 0.0)
        for item in range(1, N + 1):
            inside[NODES[item]] += math.exp(row[item - 1])
        logs = [
            of_node[NODES[item] - 1] - math.log(total) + row[item - 1] - math.log(inside[NODES[item]])
            for item in range(1, N + 1)
        ]
        found.append(logs)
    return found


@HEADS
def test_scores_are_the_logarithms_of_both_probabilities_and_sum_to_one(head) -> None:
    task, state = made(head), states()

    found = task(state)

    assert (found.shape, found.dtype) == ((len(TARGETS), N), torch.float32)
    np.testing.assert_allclose(found.detach().numpy(), slow(task, state), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(len(TARGETS)))


@HEADS
@pytest.mark.parametrize("small", [0, 2**17])
def test_the_loss_and_its_gradient_are_those_of_the_plain_formula(monkeypatch, head, small) -> None:
    monkeypatch.setattr(coarse_to_fine, "SMALL", small)
    task, state = made(head), states()
    leaves = [state, *task.parameters(), *parts(task)]
    expected = functional.cross_entropy(task(state), TARGETS - 1)

    found = task.loss(state, Targets(TARGETS))

    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(one.to_dense(), other, rtol=1e-4, atol=1e-6)


def parts(task: Head) -> list[Tensor]:
    """The item table, where the head reads it."""
    return [task.id_vectors.__self__.item_table.weight] if hasattr(task, "id_vectors") else []


@pytest.mark.parametrize("small", [0, 2**17])
def test_half_precision_is_close(monkeypatch, small) -> None:
    monkeypatch.setattr(coarse_to_fine, "SMALL", small)
    task, state = made(), states()
    expected = task.loss(state, Targets(TARGETS))

    with torch.autocast("cpu", torch.bfloat16):
        found = task.loss(state, Targets(TARGETS))

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    one, other = (torch.autograd.grad(each, state)[0] for each in (found, expected))
    assert (one - other).norm() < 0.05 * other.norm()


def test_a_step_reads_the_categories_of_its_right_items_alone() -> None:
    task = made()

    task.loss(states(2), Targets(torch.tensor([3, 12]))).backward()

    [table] = parts(task)
    assert table.grad.is_sparse
    assert table.grad.coalesce().indices()[0].tolist() == [3, 4, 12]


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_examples_without_a_known_item_count_for_nothing(head) -> None:
    task, state = made(head), states()
    expected = task.loss(state[:3], Targets(TARGETS[:3]))

    found = task.loss(state, Targets(torch.cat([TARGETS[:3], torch.zeros(3, dtype=torch.int64)])))
    nothing = task.loss(state, Targets(torch.zeros(6, dtype=torch.int64)))
    nothing.backward()

    torch.testing.assert_close(found, expected)
    assert nothing.item() == 0
    assert all(one.grad is not None and one.grad.to_dense().abs().max() == 0 for one in task.parameters())


def test_scores_far_apart_stay_numbers() -> None:
    task, state = made("linear"), states()
    with torch.no_grad():
        task.fc.bias[:6] -= 500
        task.fc.bias[7] += 500

    found = task.loss(state, Targets(TARGETS))

    assert torch.isfinite(task(state)).all()
    torch.testing.assert_close(found, functional.cross_entropy(task(state), TARGETS - 1), rtol=1e-4, atol=1e-4)


def test_a_category_without_items_has_no_probability() -> None:
    """As the tree may have after a filter: the items of B1 go to B2, and its node stays."""
    moved = catalog()
    nodes = np.array(NODES[1:])
    nodes[nodes == 3] = 4
    at = moved.items.column_names.index("node_2")
    moved = dataclasses.replace(moved, items=moved.items.set_column(at, "node_2", [nodes.astype(np.int32)]))
    task, state = made(items=moved), states()

    assert task.softmax.coarse.weight.shape == (6, WIDTH)
    torch.testing.assert_close(task(state).exp().sum(1), torch.ones(len(TARGETS)))
    with torch.no_grad():
        before = task(state)
        task.softmax.coarse.bias[2] += 50
    assert torch.equal(task(state), before)


@HEADS
def test_the_linear_form_gives_the_scores_at_its_state(head) -> None:
    task, items = made(head), torch.tensor([2, N, 1, 2])

    for state in states().detach():
        vectors, bias = task.linear_form(state, items)
        assert (vectors.shape, bias.shape) == ((4, WIDTH), (4,))
        torch.testing.assert_close(vectors @ state + bias, task(state[None])[0, items - 1], rtol=1e-4, atol=1e-4)


def test_it_needs_categories() -> None:
    bare = catalog(levels=False)

    with pytest.raises(BadRecipe, match=r'"coarse_to_fine" needs categories, and the dataset has none.*--implicit-c'):
        build(Config(softmax="coarse_to_fine"), bare, WIDTH, Inputs(InputsConfig(), bare))
