"""What every task promises: a state (B, D) -> logits over its classes, and the loss of exactly those logits."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from hiersrec import registry
from hiersrec.model.inputs import Config, Inputs
from hiersrec.model.targets import Targets
from hiersrec.testing.catalogue import N, catalog
from hiersrec.testing.checks import check_config, check_parameters, check_parameters_get_gradients

FOLDER = "model.tasks"
WIDTH = 10


def check_task(name: str) -> None:
    """Raise AssertionError for the first promise that the task `name` breaks."""
    for check in CHECKS:
        check(name)


def _targets(items: torch.Tensor) -> Targets:
    """Next events on these items (B,); their types alternate, and every third is unknown."""
    return Targets(items, items % 3)


def task_names(name: str) -> list[str]:
    """Names of all tasks that one table of the recipe stands for, on a catalogue with everything in it."""
    module = registry.load(FOLDER, name)
    return list(module.members(module.Config(), catalog()))


def _tasks(name: str) -> Iterator[tuple[str, nn.Module]]:
    """All tasks that one table of the recipe makes, by name."""
    module = registry.load(FOLDER, name)
    torch.manual_seed(0)
    inputs = Inputs(Config(item_width=6, category_width=4, metadata_width=0), catalog())
    members: dict[str, Any] = module.members(module.Config(), catalog())
    for task, config in members.items():
        yield task, module.build(config, catalog(), WIDTH, inputs)


def settings_explain_themselves(name: str) -> None:
    """The settings are a frozen dataclass with a text under each field, and the module says what it is."""
    check_config(registry.load(FOLDER, name))


def functions_take_what_the_builder_gives(name: str) -> None:
    """`members` and `build` take what build.py calls them with."""
    module = registry.load(FOLDER, name)
    check_parameters(module.members, ["config", "catalog"])
    check_parameters(module.build, ["config", "catalog", "width", "inputs"])


def names_of_tasks(name: str) -> None:
    """There is at least one on a full catalogue; names begin as the table is called, and the catalogue has labels."""
    names = task_names(name)
    assert names, f"{name} makes no task on a catalogue that has everything"
    for task in names:
        short = registry.short(name)
        assert task == short or task.startswith(f"{short}_"), f"the task '{task}' must begin with '{short}_'"
        assert task == "item" or task in catalog().labels, f"the catalogue has no labels for the task '{task}'"


def logits_of_every_class(name: str) -> None:
    """Float32 and finite, a column for each class."""
    for _, task in _tasks(name):
        logits = task(torch.randn(4, WIDTH))
        assert (logits.shape, logits.dtype) == ((4, task.num_classes), torch.float32), f"got {logits.dtype}"
        assert torch.isfinite(logits).all(), "a logit is NaN or infinite"


def rows_do_not_see_one_another(name: str) -> None:
    """The logits of a state are those it has without the others."""
    for _, task in _tasks(name):
        state = torch.randn(4, WIDTH)
        torch.testing.assert_close(task(state)[2:3], task(state[2:3]), rtol=1e-5, atol=1e-6)


def loss_is_the_entropy_of_the_logits(name: str) -> None:
    """Whatever the classes stand for, the mean of -log softmax over the targets is one of its values."""
    for _, task in _tasks(name):
        state = torch.randn(1, WIDTH)
        surprises = -task(state).log_softmax(-1)[0]
        for item in range(1, N + 1):
            loss = _loss(task, state, _targets(torch.tensor([item])))
            assert (loss.shape, loss.dtype) == ((), torch.float32), f"the loss is {loss.dtype} of {loss.shape}"
            assert loss.item() >= 0, "the loss is negative"
            unlabelled = loss.item() == 0
            assert unlabelled or (surprises - loss).abs().min() < 1e-5, "the loss does not follow from the logits"


def gradients_reach_everything(name: str) -> None:
    """Every parameter and the state get a gradient."""
    for _, task in _tasks(name):
        state = torch.randn(N, WIDTH, requires_grad=True)
        _loss(task, state, _targets(torch.arange(1, N + 1))).backward()
        check_parameters_get_gradients(task)
        assert state.grad is not None
        assert state.grad.abs().max() > 0, "no gradient reaches the state"


def learns_one_batch(name: str) -> None:
    """It learns one batch by heart."""
    for _, task in _tasks(name):
        state = torch.randn(6, WIDTH, requires_grad=True)
        labels = _targets(torch.arange(1, 7))
        optimizer = torch.optim.Adam([state, *task.parameters()], lr=0.1)
        losses = []
        for _ in range(30):
            loss = _loss(task, state, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.3 * losses[0], f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f} only"


def _loss(task: Any, state: torch.Tensor, targets: Targets) -> Any:
    return task.loss(state, targets)


CHECKS = (
    settings_explain_themselves,
    functions_take_what_the_builder_gives,
    names_of_tasks,
    logits_of_every_class,
    rows_do_not_see_one_another,
    loss_is_the_entropy_of_the_logits,
    gradients_reach_everything,
    learns_one_batch,
)
