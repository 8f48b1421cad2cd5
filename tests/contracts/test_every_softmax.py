"""What every softmax of the item task promises, under each head: a distribution, and a loss that trains it."""

import ast
import inspect

import pytest
import torch
from torch import Tensor

from hiersrec import registry
from hiersrec.model.heads import Head
from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, build
from tests.model.world import N, catalog, model, recipe

NAMES = registry.names("model.softmax")
WIDTH = 10
HEADS = {
    "linear": {"head": "linear"},
    "cosine": {"head": "cosine"},
    "mixed": {"head": "cosine", "vectors": "id+metadata"},
    "dot": {"head": "dot"},
}
CASES = [(name, head) for name in NAMES for head in HEADS]
TARGETS = torch.tensor([1, 12, 7, 7, 3, 5])


@pytest.fixture(params=CASES, ids=[" ".join(one) for one in CASES])
def made(request) -> tuple[Head, Inputs]:
    """The item task and the inputs whose table it may read."""
    name, head = request.param
    torch.manual_seed(0)
    widths = {"item_width": WIDTH, "category_width": 0, "metadata_width": 0} if head == "dot" else {"item_width": 6}
    inputs = Inputs(InputsConfig(**widths), catalog())
    return build(Config(**HEADS[head], softmax=name, negatives=400), catalog(), WIDTH, inputs), inputs


def states(count: int = len(TARGETS)) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(2)).requires_grad_()


def test_the_walk_finds_them() -> None:
    assert {"full", "sampled"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_builder_takes_what_the_item_task_gives(name) -> None:
    module = registry.load("model.softmax", name)

    assert list(inspect.signature(module.build).parameters) == ["config", "catalog"]
    assert ast.get_docstring(ast.parse(inspect.getsource(module)))


def test_scores_are_float32_and_rows_do_not_see_one_another(made) -> None:
    task, _ = made
    state = states()

    found = task(state)

    assert (found.shape, found.dtype) == ((len(TARGETS), N), torch.float32)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[2:3], task(state[2:3]), rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_surprise_of_what_is_scored(made) -> None:
    """Exactly, or nearly so where items are drawn: 400 of 12 are all."""
    task, _ = made

    found = task.loss(states(), Targets(TARGETS))

    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(task(states()), TARGETS - 1))


def test_gradients_reach_every_parameter_and_the_state(made) -> None:
    task, inputs = made
    state = states()

    task.loss(state, Targets(TARGETS)).backward()

    read = [*task.parameters(), *([] if hasattr(task, "fc") else [inputs.item_table.weight])]
    assert all(one.grad is not None and one.grad.to_dense().abs().max() > 0 for one in read)
    assert state.grad is not None
    assert state.grad.abs().max() > 0


def test_the_linear_form_gives_the_scores_at_its_state(made) -> None:
    task, _ = made
    items = torch.tensor([2, N, 1, 2])

    for state in states().detach():
        vectors, bias = task.linear_form(state, items)
        torch.testing.assert_close(vectors @ state + bias, task(state[None])[0, items - 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_same_on_two_threads_however_often(name) -> None:
    """At a width and batch where torch divides the work."""
    wide = recipe(f"tasks.item.softmax={name}", "inputs.item_width=64", "encoder.dropout=0.0")
    items, lengths = torch.randint(1, N + 1, (300, 4)), torch.full((300,), 4)

    def gradients() -> list[bytes]:
        trained = model(wide)
        torch.manual_seed(1)
        trained.loss(items, lengths, Targets(items[:, 0], items[:, 0] % 3))[0].backward()
        return [one.grad.to_dense().numpy().tobytes() for one in trained.parameters() if one.grad is not None]

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (gradients() for _ in range(3))
    finally:
        torch.set_num_threads(threads)

    assert all(other == first for other in others)
