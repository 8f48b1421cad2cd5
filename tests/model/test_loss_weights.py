"""How weights come about: each strategy against its formula, and what it may not do."""

import math

import pytest
import torch
from torch import Tensor

from hiersrec.model.loss_weights import RandomWeight, Setting, Weight, moving, of_injection, of_loss
from hiersrec.model.losses import combined

LOSS = 2.5


def of(setting: Setting) -> Weight:
    return of_loss(setting, "item.weight").train()


def slope(of: Weight) -> float:
    """Of the weighted loss of LOSS, by the one parameter."""
    (parameter,) = of.parameters()
    return float(torch.autograd.grad(of() * LOSS, parameter)[0])


def at(theta: float, setting: Setting) -> Weight:
    """A learnt weight that has come to `theta`."""
    made = of(setting)
    with torch.no_grad():
        next(made.parameters()).fill_(theta)
    return made


def descended(made: Weight, loss: float, steps: int, rate: float = 0.1) -> list[float]:
    """The weight after each step of gradient descent on the weighted loss alone."""
    (parameter,) = made.parameters()
    seen = []
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(made() * loss, parameter)
        with torch.no_grad():
            parameter -= rate * gradient
        seen.append(float(torch.as_tensor(made()).detach()))
    return seen


@pytest.mark.parametrize("value", [0.0, 0.3, 2.0])
def test_a_number_is_the_weight_and_nothing_is_learnt(value) -> None:
    for made in (of(value), of_injection(value, "item.injection_weight")):
        assert made() == value
        assert made.state_dict() == {}


@pytest.mark.parametrize("setting", ["trainable", "random"])
def test_every_strategy_starts_at_the_papers_weight(setting) -> None:
    assert float(torch.as_tensor(of(setting)()).detach()) == 1


def test_an_injection_weight_starts_at_one_too_and_may_become_negative() -> None:
    made = of_injection("trainable", "item.injection_weight")
    assert float(torch.as_tensor(made()).detach()) == 1

    with torch.no_grad():
        next(made.parameters()).fill_(-0.5)

    assert float(torch.as_tensor(made()).detach()) == -0.5


@pytest.mark.parametrize("theta", [-2.0, 0.0, 0.7])
def test_trainable_is_the_exponential_and_its_gradient_the_weighted_loss(theta) -> None:
    made = at(theta, "trainable")

    assert made().item() == pytest.approx(math.exp(theta))
    assert slope(made) == pytest.approx(math.exp(theta) * LOSS)


def test_a_trainable_weight_only_falls() -> None:
    falling = descended(of("trainable"), LOSS, 200)

    assert all(later < earlier for earlier, later in zip([1.0, *falling], falling, strict=False))
    assert falling[-1] < 0.05


@pytest.mark.parametrize("setting", [0.3, "trainable", "random"])
def test_the_combined_loss_is_the_weighted_sum(setting) -> None:
    made, loss = of(setting), torch.tensor(LOSS, requires_grad=True)
    if isinstance(made, RandomWeight):
        made.draw(0, 3)
    weight = float(torch.as_tensor(made()).detach())

    total = combined({"item": loss, "category_1": loss}, {"item": of(1.0), "category_1": made})
    (gradient,) = torch.autograd.grad(total, loss)

    assert total.item() == pytest.approx((1 + weight) * LOSS)
    assert gradient.item() == pytest.approx(1 + weight)


def drawn(seed: int, epoch: int, place: str = "category_1.weight") -> float:
    made = RandomWeight(place).train()
    made.draw(seed, epoch)
    weight = made()
    assert not isinstance(weight, Tensor)
    return weight


def test_a_draw_depends_on_seed_epoch_and_place_alone() -> None:
    first = drawn(0, 0)

    assert first == drawn(0, 0)
    others = [drawn(1, 0), drawn(0, 1), drawn(0, 0, "category_2.weight"), drawn(0, 0, "category_1.injection_weight")]
    assert len({first, *others}) == 5


def test_draws_lie_evenly_between_0_and_2() -> None:
    """400 draws: their mean has a standard deviation of 0.03, each quarter of the range holds 100 by 9."""
    draws = [drawn(seed, epoch) for seed in range(4) for epoch in range(100)]

    assert sum(draws) / 400 == pytest.approx(1, abs=0.1)
    quarters = [sum(low <= one < low + 0.5 for one in draws) for low in (0.0, 0.5, 1.0, 1.5)]
    assert all(70 < count < 130 for count in quarters)
    assert sum(quarters) == 400


def test_in_evaluation_a_random_weight_is_its_mean() -> None:
    made = RandomWeight("item.injection_weight").train()
    made.draw(0, 0)

    assert made() != 1
    assert made.eval()() == 1
    assert made.train()() == drawn(0, 0, "item.injection_weight"), "the draw is still there"


def test_only_weights_that_are_not_fixed_move() -> None:
    random = RandomWeight("c").train()
    random.draw(0, 0)

    found = moving({"a": of(0.5), "b": at(-1.0, "trainable"), "c": random, "d": of_injection("trainable", "d")})

    assert found == {"b": pytest.approx(math.exp(-1)), "c": drawn(0, 0, "c"), "d": 1.0}
