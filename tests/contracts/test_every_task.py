"""What every task promises: a state (B, D) -> logits over its classes, and the loss of exactly those logits."""

import ast
import dataclasses
import inspect
from types import ModuleType

import pytest
import torch
from torch import nn

from hiersrec import registry
from hiersrec.model.inputs import Config, Inputs
from hiersrec.model.targets import Targets
from tests.contracts.test_every_encoder import undocumented
from tests.model.world import N, catalog

NAMES = registry.names("model.tasks")
WIDTH = 10


def targets(items: torch.Tensor) -> Targets:
    """Next events on these items (B,); their types alternate, and every third is unknown."""
    return Targets(items, items % 3)


def made(module: ModuleType) -> dict[str, nn.Module]:
    """All tasks that one table of the recipe makes, by name."""
    torch.manual_seed(0)
    inputs = Inputs(Config(item_width=6, category_width=4, metadata_width=0), catalog())
    return {name: module.build(config, catalog(), WIDTH, inputs) for name, config in members(module).items()}


def members(module: ModuleType) -> dict[str, object]:
    """The settings of all tasks that one table of the recipe stands for, by name."""
    found: dict[str, object] = module.members(module.Config(), catalog())
    return found


CASES = [(name, task) for name in NAMES for task in members(registry.load("model.tasks", name))]


@pytest.fixture(params=CASES, ids=[task for _, task in CASES])
def task(request) -> nn.Module:
    folder_name, name = request.param
    return made(registry.load("model.tasks", folder_name))[name]


def test_the_walk_finds_tasks() -> None:
    assert {"item", "category"} <= set(NAMES)
    assert {name for name, _ in CASES} == set(NAMES), "each table makes at least one task on a full catalogue"


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_are_a_frozen_dataclass_that_explains_each_field(name) -> None:
    module = registry.load("model.tasks", name)

    assert dataclasses.is_dataclass(module.Config)
    assert module.Config.__dataclass_params__.frozen
    assert undocumented(module) == []
    assert module.__doc__
    assert module.Config.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_take_what_the_builder_gives(name) -> None:
    module = registry.load("model.tasks", name)

    assert list(inspect.signature(module.members).parameters) == ["config", "catalog"]
    assert list(inspect.signature(module.build).parameters) == ["config", "catalog", "width", "inputs"]
    assert ast.get_docstring(ast.parse(inspect.getsource(module)))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_tasks_begin_with_the_name_of_their_table(name) -> None:
    assert all(one == name or one.startswith(f"{name}_") for one in made(registry.load("model.tasks", name)))


def test_logits_of_every_class(task) -> None:
    found = task(torch.randn(4, WIDTH))

    assert (found.shape, found.dtype) == ((4, task.num_classes), torch.float32)
    assert torch.isfinite(found).all()


def test_rows_do_not_see_one_another(task) -> None:
    state = torch.randn(4, WIDTH)

    torch.testing.assert_close(task(state)[2:3], task(state[2:3]), rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_entropy_of_the_logits(task) -> None:
    """Whatever the classes stand for, the mean of -log softmax over the targets is one of its values."""
    state = torch.randn(1, WIDTH)
    surprises = -task(state).log_softmax(-1)[0]

    for item in range(1, N + 1):
        loss = task.loss(state, targets(torch.tensor([item])))
        assert (loss.shape, loss.dtype) == ((), torch.float32)
        assert loss.item() >= 0
        unlabelled = loss.item() == 0
        assert unlabelled or (surprises - loss).abs().min() < 1e-5


def test_gradients_reach_every_parameter_and_the_state(task) -> None:
    state = torch.randn(N, WIDTH, requires_grad=True)

    task.loss(state, targets(torch.arange(1, N + 1))).backward()

    asleep = [name for name, one in task.named_parameters() if one.grad is None or one.grad.abs().max() == 0]
    assert asleep == []
    assert state.grad.abs().max() > 0


def test_it_learns_one_batch_by_heart(task) -> None:
    state = torch.randn(6, WIDTH, requires_grad=True)
    labels = targets(torch.arange(1, 7))
    optimizer = torch.optim.Adam([state, *task.parameters()], lr=0.1)

    losses = []
    for _ in range(30):
        loss = task.loss(state, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.3 * losses[0]
