"""The type of the next event as a task: it is the event's, not the item's."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from hiersrec.model.targets import Targets
from hiersrec.model.tasks.event_type import Config, build, members
from tests.model.world import catalog

WIDTH = 5


def test_one_task_where_events_have_types() -> None:
    assert members(Config(), catalog()) == {"event_type": Config()}
    assert members(Config(), dataclasses.replace(catalog(), event_types={})) == {}


def test_the_loss_is_the_cross_entropy_of_the_known_types_whatever_the_items() -> None:
    torch.manual_seed(0)
    task = build(Config(), catalog(), WIDTH, None)
    state, types = torch.randn(4, WIDTH), torch.tensor([1, 0, 2, 2])

    found = task.loss(state, Targets(torch.tensor([1, 2, 3, 4]), types))

    expected = functional.cross_entropy(task(state)[[0, 2, 3]], torch.tensor([0, 1, 1]))
    assert task.num_classes == 2
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert task.loss(state, Targets(torch.tensor([9, 9, 9, 9]), types)).item() == found.item()


def test_types_that_training_never_saw_train_nothing() -> None:
    task = build(Config(), catalog(), WIDTH, None)
    state = torch.randn(2, WIDTH, requires_grad=True)

    task.loss(state, Targets(torch.tensor([1, 2]), torch.tensor([0, 0]))).backward()

    assert state.grad.abs().max() == 0
