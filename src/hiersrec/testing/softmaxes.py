"""What every softmax of the item task promises, under each head: a distribution, and a loss that trains it."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from hiersrec import registry
from hiersrec.model.heads import Head
from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, build
from hiersrec.testing.catalogue import N, catalog, model, recipe
from hiersrec.testing.checks import check_docstring, check_parameters, two_threads

FOLDER = "model.softmax"
WIDTH = 10
HEADS = {
    "linear": Config(head="linear", negatives=400),
    "cosine": Config(head="cosine", negatives=400),
    "mixed": Config(head="cosine", vectors="id+metadata", negatives=400),
    "dot": Config(head="dot", negatives=400),
}
TARGETS = torch.tensor([1, 12, 7, 7, 3, 5])


def check_softmax(name: str) -> None:
    """Raise AssertionError for the first promise that the softmax `name` breaks."""
    for check in CHECKS:
        check(name)


def _tasks(name: str) -> Iterator[tuple[Head, Inputs]]:
    """The item task under each head, and the inputs whose table it may read."""
    for head, config in HEADS.items():
        torch.manual_seed(0)
        widths = InputsConfig(item_width=6)
        if head == "dot":
            widths = InputsConfig(item_width=WIDTH, category_width=0, metadata_width=0)
        inputs = Inputs(widths, catalog())
        yield build(replace(config, softmax=name), catalog(), WIDTH, inputs), inputs


def _states(count: int = len(TARGETS)) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(2)).requires_grad_()


def builder_takes_what_the_item_task_gives(name: str) -> None:
    """`build` takes config and catalogue, and the module says what it is."""
    module = registry.load(FOLDER, name)
    check_parameters(module.build, ["config", "catalog"])
    check_docstring(module)


def scores_are_float32_of_each_row(name: str) -> None:
    """Finite, and rows do not see one another."""
    for task, _ in _tasks(name):
        state = _states()
        scores = task(state)
        assert (scores.shape, scores.dtype) == ((len(TARGETS), N), torch.float32), f"got {scores.dtype}"
        assert torch.isfinite(scores).all(), "a score is NaN or infinite"
        torch.testing.assert_close(scores[2:3], task(state[2:3]), rtol=1e-5, atol=1e-6)


def loss_is_the_surprise_of_what_is_scored(name: str) -> None:
    """Exactly, or nearly so where items are drawn: 400 of 12 are all."""
    for task, _ in _tasks(name):
        expected = torch.nn.functional.cross_entropy(task(_states()), TARGETS - 1)
        torch.testing.assert_close(task.loss(_states(), Targets(TARGETS)), expected)


def gradients_reach_everything(name: str) -> None:
    """Every parameter, the table of items where the head reads it, and the state."""
    for task, inputs in _tasks(name):
        state = _states()
        task.loss(state, Targets(TARGETS)).backward()  # type: ignore[no-untyped-call]
        read = [*task.parameters(), *([] if hasattr(task, "fc") else [inputs.item_table.weight])]
        assert all(one.grad is not None and one.grad.to_dense().abs().max() > 0 for one in read), "no gradient"
        assert state.grad is not None
        assert state.grad.abs().max() > 0, "no gradient reaches the state"


def linear_form_gives_the_scores(name: str) -> None:
    """At its state: query . vector + bias."""
    items = torch.tensor([2, N, 1, 2])
    for task, _ in _tasks(name):
        for state in _states().detach():
            scores, bias = task.linear_form(state, task.vectors(items)) @ state, task.biases(items)
            scores = scores if bias is None else scores + bias
            torch.testing.assert_close(scores, task(state[None])[0, items - 1], rtol=1e-4, atol=1e-4)


def threads_change_no_gradient(name: str) -> None:
    """At a width and batch where torch divides the work."""
    wide = recipe(f"tasks.item.softmax={name}", "inputs.item_width=64", "encoder.dropout=0.0")
    items, lengths = torch.randint(1, N + 1, (300, 4)), torch.full((300,), 4)

    def gradients() -> list[bytes]:
        trained = model(wide)
        torch.manual_seed(1)
        trained.loss(items, lengths, Targets(items[:, 0], items[:, 0] % 3))[0].backward()  # type: ignore[no-untyped-call]
        return [one.grad.to_dense().numpy().tobytes() for one in trained.parameters() if one.grad is not None]

    first, *others = two_threads(gradients, 3)
    assert all(other == first for other in others), "gradients differ"


CHECKS = (
    builder_takes_what_the_item_task_gives,
    scores_are_float32_of_each_row,
    loss_is_the_surprise_of_what_is_scored,
    gradients_reach_everything,
    linear_form_gives_the_scores,
    threads_change_no_gradient,
)
