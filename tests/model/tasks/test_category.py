"""Equations 2 and 5: the category heads, and which items train them."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.category import Config, build, members
from tests.model.world import N, catalog

WIDTH = 5


def made(level: int):
    torch.manual_seed(0)
    return build(Config(level=level), catalog(), WIDTH, Inputs(InputsConfig(), catalog()))


def cosine(level: int, category_width: int = 6, scale: float = 3.0):
    """The head and the inputs that it compares with: [E^I ; E^C ; E^M]."""
    torch.manual_seed(0)
    inputs = Inputs(InputsConfig(item_width=4, category_width=category_width, metadata_width=2), catalog())
    return build(Config(level=level, head="cosine", scale=scale), catalog(), inputs.width, inputs), inputs


def test_all_levels_or_one() -> None:
    assert members(Config(), catalog()) == {"category_1": Config(level=1), "category_2": Config(level=2)}
    assert members(Config(level=2), catalog()) == {"category_2": Config(level=2)}
    assert members(Config(), catalog(levels=False)) == {}


@pytest.mark.parametrize("levels", [True, False])
def test_a_level_that_the_dataset_lacks(levels) -> None:
    depth = 2 if levels else 0
    with pytest.raises(BadRecipe, match=rf"category: the dataset has {depth} levels, got level = 3\."):
        members(Config(level=3), catalog(levels))


@pytest.mark.parametrize(("level", "classes"), [(1, 2), (2, 4)])
def test_the_prediction_is_a_linear_layer_over_the_known_nodes(level, classes) -> None:
    task = made(level)
    state = torch.randn(3, WIDTH)

    found = task(state)

    weight, bias = task.fc.weight.tolist(), task.fc.bias.tolist()
    expected = [
        [sum(a * b for a, b in zip(row, weight[c], strict=True)) + bias[c] for c in range(classes)]
        for row in state.tolist()
    ]
    assert task.num_classes == classes
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", [1, 2])
def test_the_loss_is_the_cross_entropy_of_the_next_items_node(level) -> None:
    task, known = made(level), catalog()
    state, targets = torch.randn(N, WIDTH), torch.arange(1, N + 1)

    found = task.loss(state, Targets(targets))

    nodes = known.item_nodes[1:, level - 1]
    kept = nodes <= known.levels[level - 1].num_known
    assert 0 < (~kept).sum() < N
    expected = functional.cross_entropy(task(state)[kept], torch.from_numpy(nodes[kept].astype(np.int64) - 1))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_next_item_of_unknown_category_trains_nothing() -> None:
    task = made(1)
    state = torch.randn(2, WIDTH, requires_grad=True)

    loss = task.loss(state, Targets(torch.tensor([12, 12])))
    loss.backward()

    assert loss.item() == 0
    assert [one.grad.abs().max().item() for one in (state, task.fc.weight, task.fc.bias)] == [0, 0, 0]


def test_a_level_without_any_known_category_takes_no_part() -> None:
    known = catalog()
    empty = dataclasses.replace(known.levels[1], num_known=0)

    assert members(Config(), dataclasses.replace(known, levels=[known.levels[0], empty])) == {
        "category_1": Config(level=1)
    }


@pytest.mark.parametrize(("level", "classes"), [(1, 2), (2, 4)])
def test_the_cosine_is_with_the_inputs_own_categories(level, classes) -> None:
    task, inputs = cosine(level)
    torch.nn.init.normal_(task.project.weight)
    state = torch.randn(3, inputs.width)

    found = task(state)

    queries = (state @ task.project.weight.T).tolist()
    vectors = inputs.level_tables[level - 1].weight.tolist()
    length = lambda one: sum(a * a for a in one) ** 0.5  # noqa: E731  the twin stays short
    expected = [
        [3 * sum(a * b for a, b in zip(q, vectors[c], strict=True)) / length(q) / length(vectors[c]) for c in of_level]
        for q in queries
        if (of_level := range(1, classes + 1))
    ]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    nodes = torch.from_numpy(catalog().item_nodes[1:, level - 1].astype(np.int64))
    every = torch.randn(N, inputs.width)
    kept = nodes <= classes
    loss = functional.cross_entropy(task(every)[kept], nodes[kept] - 1)
    assert task.loss(every, Targets(torch.arange(1, N + 1))).item() == pytest.approx(loss.item(), rel=1e-5)


def test_from_the_start_it_says_the_category_of_the_item_it_reads() -> None:
    """On a state that is the input vector of an item, as deep layers with a residual path pass it on."""
    task, inputs = cosine(1, category_width=64)

    found = task(inputs(torch.arange(1, N + 1)[None])[0]).argmax(1) + 1

    nodes = torch.from_numpy(catalog().item_nodes[1:, 0].astype(np.int64))
    known = nodes <= 2
    assert torch.equal(found[known], nodes[known])


def test_its_loss_trains_the_inputs_table_and_the_table_lies_there_alone() -> None:
    task, inputs = cosine(2)

    task.loss(torch.randn(N, inputs.width), Targets(torch.arange(1, N + 1))).backward()

    gradient = inputs.level_tables[1].weight.grad
    assert gradient[1:5].abs().sum(1).min() > 0
    assert gradient[[0, 5, 6]].abs().max() == 0  # padding, and nodes that stand for an unknown category
    assert set(dict(task.named_parameters())) == {"project.weight"}
