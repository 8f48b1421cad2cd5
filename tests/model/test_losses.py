"""Equations 5-7: the hand-written cross entropy and its gradients against torch's own in double precision."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model import losses
from hiersrec.model.loss_weights import Weight
from hiersrec.model.losses import UNLABELLED, combined, cross_entropy
from hiersrec.model.score_term import SparseScores

SIZES = [1, 2, 7, 8, 9, 19]
C, D = 17, 6


@pytest.fixture(params=[(losses.BLOCK, losses.PART), (8 * 4 * C, 5), (1, 1)])
def block(request, monkeypatch) -> None:
    """All rows in one block of logits and all classes in one part; eight rows of float32 and five classes; one."""
    monkeypatch.setattr(losses, "BLOCK", request.param[0])
    monkeypatch.setattr(losses, "PART", request.param[1])


def numbers(size: int, with_bias: bool = True, seed: int = 0) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """state, weight, bias, classes; about a quarter of the examples has no label."""
    torch.manual_seed(seed)
    classes = torch.randint(0, C, (size,))
    classes[torch.rand(size) < 0.25] = UNLABELLED
    classes[0] = 3
    bias = torch.randn(C, requires_grad=True) if with_bias else None
    return torch.randn(size, D, requires_grad=True), torch.randn(C, D, requires_grad=True), bias, classes


def torchs_own(state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Loss and gradients by autograd, in double precision."""
    leaves = [one.detach().double().requires_grad_() for one in (state, weight, bias) if one is not None]
    loss = functional.cross_entropy(functional.linear(*leaves), classes, ignore_index=UNLABELLED)
    loss.backward()
    return loss, [one.grad for one in leaves if one.grad is not None]


def ours(
    state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor, factor: float = 1.0
) -> tuple[Tensor, list[Tensor]]:
    loss = cross_entropy(state, weight, bias, classes)
    (loss * factor).backward()
    return loss, [one.grad for one in (state, weight, bias) if one is not None and one.grad is not None]


def test_it_is_minus_the_mean_log_probability() -> None:
    state, weight, bias, classes = numbers(5)

    found = cross_entropy(state, weight, bias, classes).item()

    losses = []
    for row, label in enumerate(classes.tolist()):
        logits = [
            sum(a * b for a, b in zip(state[row].tolist(), one, strict=True)) + shift
            for one, shift in zip(weight.tolist(), bias.tolist(), strict=True)
        ]
        if label != UNLABELLED:
            losses.append(-math.log(math.exp(logits[label]) / sum(math.exp(one) for one in logits)))
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-6)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_loss_and_gradients_in_float32(size, with_bias) -> None:
    given = numbers(size, with_bias)

    expected, expected_gradients = torchs_own(*given)
    found, gradients = ours(*given)

    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert len(gradients) == len(expected_gradients) == 2 + with_bias
    for one, other in zip(gradients, expected_gradients, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("size", [3, 19, 131])
def test_loss_and_gradients_in_bf16(size) -> None:
    """bf16 has 8 bits: logits of about 5 err by 0.02, and gradients by about a hundredth."""
    given = numbers(size)
    expected, expected_gradients = torchs_own(*given)

    with torch.autocast("cpu", torch.bfloat16):
        found = cross_entropy(*given)
    found.backward()

    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), abs=0.02)
    for one, other in zip(given[:3], expected_gradients, strict=True):
        assert one.grad.dtype == torch.float32
        assert (one.grad.double() - other).norm() < 0.02 * other.norm()


def test_the_gradients_are_scaled_by_what_comes_from_above() -> None:
    _, plain = ours(*numbers(4))
    _, scaled = ours(*numbers(4), factor=-2.0)

    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one * -2.0, other)


def test_each_gradient_stands_alone() -> None:
    """A frozen table, or a state that needs no gradient, changes nothing for the others."""
    state, weight, bias, classes = numbers(4)
    _, expected = ours(*numbers(4))

    cross_entropy(state.detach(), weight, bias.detach(), classes).backward()

    torch.testing.assert_close(weight.grad, expected[1])


def test_an_example_without_a_label_changes_nothing() -> None:
    state, weight, bias, classes = numbers(7)
    kept = classes != UNLABELLED
    assert 0 < kept.sum() < 7
    alone = (state[kept].detach().requires_grad_(), weight.detach().clone().requires_grad_(), bias, classes[kept])

    found, gradients = ours(state, weight, None, classes)
    expected, expected_gradients = ours(alone[0], alone[1], None, alone[3])

    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert gradients[0][~kept].abs().max() == 0
    torch.testing.assert_close(gradients[0][kept], expected_gradients[0])
    torch.testing.assert_close(gradients[1], expected_gradients[1])


def test_no_label_at_all_gives_zero_and_trains_nothing() -> None:
    state, weight, bias, classes = numbers(5)

    found, gradients = ours(state, weight, bias, torch.full_like(classes, UNLABELLED))

    assert found.item() == 0
    assert [one.abs().max().item() for one in gradients] == [0, 0, 0]


def test_huge_logits_stay_numbers() -> None:
    state, weight = torch.tensor([[1e4]], requires_grad=True), torch.tensor([[1.0], [-1.0]], requires_grad=True)

    found, gradients = ours(state, weight, None, torch.tensor([1]))

    assert found.item() == pytest.approx(2e4)
    assert all(bool(torch.isfinite(one).all()) for one in gradients)
    assert gradients[0].item() == pytest.approx(2.0)


def test_the_gradients_can_be_asked_for_once() -> None:
    loss = cross_entropy(*numbers(3))
    loss.backward(retain_graph=True)

    with pytest.raises(RuntimeError, match="once"):
        loss.backward()


def test_a_step_against_the_gradient_lowers_the_loss() -> None:
    state, weight, bias, classes = numbers(9)
    before, gradients = ours(state, weight, bias, classes)

    with torch.no_grad():
        moved = [one - 0.01 * slope for one, slope in zip((state, weight, bias), gradients, strict=True)]

    assert cross_entropy(*moved, classes) < before


def test_the_losses_are_summed_with_their_weights() -> None:
    losses = {"category_1": torch.tensor(2.0), "category_2": torch.tensor(5.0), "item": torch.tensor(7.0)}

    found = combined(losses, {"category_1": Weight(0.5), "category_2": Weight(0.0), "item": Weight(1.0)})

    assert found.item() == 0.5 * 2 + 0 * 5 + 7


def addends(size: int, seed: int = 1) -> SparseScores:
    """Numbers for about a third of all logits, among them those of some right classes."""
    torch.manual_seed(seed)
    rows, classes = (torch.rand(size, C) < 0.33).nonzero(as_tuple=True)
    return SparseScores(rows, classes, (3 * torch.randn(len(rows))).requires_grad_())


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_loss_and_gradients_with_addends(size, with_bias) -> None:
    state, weight, bias, classes = numbers(size, with_bias)
    added = addends(size)

    loss = cross_entropy(state, weight, bias, classes, added)
    (2 * loss).backward()

    leaves = [one.detach().double().requires_grad_() for one in (state, weight, bias, added.values) if one is not None]
    *layer, values = leaves
    logits = functional.linear(*layer).index_put((added.rows, added.classes), values, accumulate=True)
    expected = functional.cross_entropy(logits, classes, ignore_index=UNLABELLED)
    (2 * expected).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    ours = [one for one in (state, weight, bias, added.values) if one is not None]
    for one, other in zip(ours, leaves, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-6)


def test_addends_of_tiny_probabilities_count() -> None:
    """The right class and the likeliest one both have one, and the loss is past what float32 holds as a probability."""
    weight = torch.tensor([[100.0], [-100.0], [0.0]])
    added = SparseScores(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([7.0, -20.0]))

    found = cross_entropy(torch.ones(1, 1), weight, None, torch.tensor([1]), added)

    assert found.item() == pytest.approx(100 + 7 + 100 + 20)


def test_addends_in_bf16_are_near() -> None:
    state, weight, bias, classes = numbers(19)
    added = addends(19)
    exact = cross_entropy(state, weight, bias, classes, added)

    with torch.autocast("cpu", torch.bfloat16):
        rounded = cross_entropy(state, weight, bias, classes, added)
    [gradient] = torch.autograd.grad(rounded, [added.values])

    [expected] = torch.autograd.grad(exact, [added.values])
    assert rounded.item() == pytest.approx(exact.item(), rel=0.02)
    torch.testing.assert_close(gradient, expected, rtol=0.1, atol=2e-3)
