"""Adam row by row: torch's optimizers are the twins."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.config import Training
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.training import optimizer as module
from hiersrec.training.optimizer import Optimizers, RowAdam, optimizers
from tests.model.world import mean_encoder, model, recipe

N, WIDTH, RATE = 9, 4, 0.01


def table(seed: int = 0) -> nn.Parameter:
    torch.manual_seed(seed)
    return nn.Parameter(torch.randn(N, WIDTH))


def sparse_gradient(of: nn.Parameter, rows: list[int], seed: int) -> Tensor:
    """The gradient of some sum over rows, which may come up more than once."""
    weight = torch.randn(len(rows), WIDTH, generator=torch.Generator().manual_seed(seed))
    of.grad = None
    (functional.embedding(torch.tensor(rows), of, sparse=True) * weight).sum().backward()
    assert of.grad is not None
    return of.grad


STEPS = [[1, 2, 2], [5], [1, 8, 0, 1], [3, 2]]


def walk(of: nn.Parameter, step: RowAdam | torch.optim.Optimizer, steps: list[list[int]], dense: bool = False) -> None:
    for seed, rows in enumerate(steps):
        gradient = sparse_gradient(of, rows, seed)
        of.grad = gradient.to_dense() if dense else gradient
        step.step()


def test_a_table_of_which_every_row_is_read_goes_as_with_adam() -> None:
    ours, theirs = table(), table()
    everything = [[*range(N), 3, 3]] * 5

    walk(ours, RowAdam(ours, RATE), everything)
    walk(theirs, torch.optim.Adam([theirs], lr=RATE), everything, dense=True)

    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [1, 2, 1024])
def test_rows_go_as_with_torch_s_sparse_adam_whatever_the_block(monkeypatch, size) -> None:
    """Which adds its epsilon to the root before it corrects it: a difference of less than one millionth."""
    monkeypatch.setattr(module, "ROWS", size)
    ours, theirs = table(), table()

    walk(ours, RowAdam(ours, RATE), STEPS)
    walk(theirs, torch.optim.SparseAdam([theirs], lr=RATE), STEPS)

    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_rows_that_are_not_read_stand_still_with_their_moments() -> None:
    made, before = table(), table()
    adam = RowAdam(made, RATE)
    walk(made, adam, STEPS)
    after, moments = made.detach().clone(), {name: value.clone() for name, value in adam.moments.items()}
    walk(made, adam, [[5, 6]])

    assert torch.equal(made[[4, 7]], before[[4, 7]])
    others = [row for row in range(N) if row not in (5, 6)]
    assert torch.equal(made[others], after[others])
    assert all(torch.equal(value[others], moments[name][others]) for name, value in adam.moments.items())
    assert (made[[5, 6]] != after[[5, 6]]).all()


def test_it_is_the_same_on_two_threads() -> None:
    """Rows that come up often are added in one order."""
    rows = torch.randint(0, 500, (20_000,), generator=torch.Generator().manual_seed(3))
    trained_tables = []
    for threads in (1, 2, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        made = nn.Parameter(torch.randn(500, 64))
        adam = RowAdam(made, RATE)
        for _ in range(2):
            made.grad = None
            functional.embedding(rows, made, sparse=True).square().sum().backward()
            adam.step()
        torch.set_num_threads(before)
        trained_tables.append(made.detach().numpy().tobytes())

    assert trained_tables[0] == trained_tables[1] == trained_tables[2]


SPARSE = ("tasks.item.softmax=sampled", "tasks.item.negatives=4", "tasks.item.head=linear")


def trained(made: Trainable, optimizer: Optimizers, steps: int) -> dict[str, bytes]:
    """The weights after some steps, whose rate falls."""
    for step in range(steps):
        optimizer.set_learning_rate(0.1 / (step + 1))
        optimizer.zero_grad()
        loss, _ = made.loss(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([3, 2]), Targets(torch.tensor([7, 2])))
        loss.backward()
        optimizer.step()
    return {name: value.detach().clone().numpy().tobytes() for name, value in made.state_dict().items()}


@pytest.mark.parametrize("overrides", [(), SPARSE], ids=["dense", "sparse"])
def test_from_its_tensors_on_another_goes_on_as_it_would(overrides) -> None:
    made = model(recipe(*overrides))
    optimizer = optimizers(made, Training())
    trained(made, optimizer, 3)
    state = {name: value.clone() for name, value in optimizer.tensors().items()}
    other = copy.deepcopy(made)
    again = optimizers(other, Training(learning_rate=7.0))
    again.load(state)
    torch.manual_seed(5)
    expected = trained(made, optimizer, 2)
    torch.manual_seed(5)

    assert trained(other, again, 2) == expected
    assert {name.split(".")[0] == "rows" for name in state} == ({True, False} if overrides else {False})


def test_the_tensors_of_dense_parameters_have_the_names_of_older_checkpoints() -> None:
    made = model(recipe())
    optimizer = optimizers(made, Training())
    trained(made, optimizer, 1)

    names = ("step", "exp_avg", "exp_avg_sq")
    known = [index for index, parameter in enumerate(made.parameters()) if parameter.grad is not None]
    assert set(optimizer.tensors()) == {f"{index}.{name}" for index in known for name in names}


def test_every_parameter_has_one_optimizer_and_the_tables_of_items_have_their_own() -> None:
    made = model(recipe(*SPARSE))
    optimizer = optimizers(made, Training())

    dense = [id(parameter) for group in optimizer.dense.param_groups for parameter in group["params"]]
    rows = [id(row_adam.table) for row_adam in optimizer.rows]

    assert sorted([*dense, *rows]) == sorted(id(parameter) for parameter in made.parameters())
    named = {id(parameter): name for name, parameter in made.named_parameters()}
    assert {named[row] for row in rows} == {"inputs.item_table.weight", "tasks.item.fc.weight"}
    assert optimizers(model(recipe()), Training()).rows == []


def test_a_model_of_nothing_but_its_item_table_can_be_trained() -> None:
    bare = mean_encoder("inputs.category_width=0", "inputs.metadata_width=0", "tasks.item.head=dot", SPARSE[0])
    item = dataclasses.replace(bare.tasks[-1], reads=())
    made = model(dataclasses.replace(bare, pooling="last", tasks=(item,)))
    optimizer = optimizers(made, Training())
    before = trained(made, optimizer, 0)
    after = trained(made, optimizer, 1)
    state = {name: value.clone() for name, value in optimizer.tensors().items()}
    optimizer.load(state)

    assert list(before) == ["inputs.item_table.weight"]
    assert after != before
    assert {name.split(".")[0] for name in state} == {"rows"}


def test_a_rate_of_zero_moves_nothing() -> None:
    made = model(recipe(*SPARSE))
    optimizer = optimizers(made, Training())
    before = trained(made, optimizer, 0)
    optimizer.set_learning_rate(0.0)
    loss, _ = made.loss(torch.tensor([[1, 2]]), torch.tensor([2]), Targets(torch.tensor([3])))
    loss.backward()
    optimizer.step()

    assert trained(made, optimizer, 0) == before
