import pytest
import torch

from hiersrec.model.dropout import Dropout, dropout


def drawn(values: torch.Tensor, probability: float, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return dropout(values, probability)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_that_share_is_zero_and_the_mean_stays(probability, dtype) -> None:
    count = 1_000_000
    found = drawn(torch.ones(count, dtype=dtype), probability)

    assert found.dtype == dtype
    error = (probability * (1 - probability) / count) ** 0.5
    assert (found == 0).float().mean().item() == pytest.approx(probability, abs=4 * error)
    assert found.unique().tolist() == pytest.approx([0.0, 1 / (1 - probability)], rel=0.005)
    assert found.double().mean().item() == pytest.approx(1, rel=0.01)


def test_a_share_of_nearly_one_leaves_numbers() -> None:
    """One less than 1 / 65,536 below one is rounded to that."""
    found = drawn(torch.ones(1_000_000), 0.999999)

    assert found.unique().tolist() == [0.0, 65536.0]


def test_neighbours_are_dropped_independently() -> None:
    """Four numbers share a random word: pairs of places in it are both dropped as often as chance has it."""
    dropped = (drawn(torch.ones(400_000), 0.3) == 0).float().view(-1, 4)

    joint = dropped.T @ dropped / len(dropped)

    assert joint[~torch.eye(4, dtype=torch.bool)].tolist() == pytest.approx([0.09] * 12, abs=0.004)


def test_the_seed_decides() -> None:
    values = torch.randn(5, 7)

    assert torch.equal(drawn(values, 0.4), drawn(values, 0.4))
    assert not torch.equal(drawn(values, 0.4), drawn(values, 0.4, seed=1))


def test_the_gradient_goes_where_the_number_went() -> None:
    values = torch.randn(3, 5, 2, requires_grad=True)

    found = drawn(values, 0.5)
    found.sum().backward()

    assert torch.equal(values.grad, torch.where(found == 0, 0.0, 2.0))
    assert 0 < (found == 0).sum() < 30


def test_only_in_training_and_only_if_wanted() -> None:
    values = torch.randn(100)

    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0).train()(values) is values
    assert not torch.equal(Dropout(0.5).train()(values), values)
