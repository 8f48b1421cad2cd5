"""Every item reads the session anew: scores against plain loops, hand-written gradients against torch's own."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.baselines import _target_attention
from hiersrec.baselines._target_attention import Reading, cross_entropy, scores

torch.set_num_threads(1)

N, D = 17, 6
SHAPES = [[0], [3], [0, 0, 0], [1, 2, 0, 2, 1], [4, 0, 2, 7, 2, 2, 1]]


def numbers(nodes: list[int]) -> tuple[Reading, Tensor, Tensor]:
    """Random lines of items that occur once to three times, a table of items, and classes."""
    torch.manual_seed(len(nodes))
    total = sum(nodes)
    lines = torch.randn(2 * total + len(nodes), D, requires_grad=True)
    reading = Reading(lines, torch.randint(1, 4, (total,)).float().log(), torch.tensor(nodes))
    return reading, torch.randn(N, D, requires_grad=True), torch.randint(0, N, (len(nodes),))


def in_double(reading: Reading, items: Tensor) -> tuple[Reading, Tensor]:
    lines = reading.lines.detach().double().requires_grad_()
    return Reading(lines, reading.log_counts.double(), reading.nodes), items.detach().double().requires_grad_()


def by_hand(reading: Reading, items: Tensor) -> list[list[float]]:
    """A softmax over all nodes, for which the first one is zero."""
    total, lines = int(reading.nodes.sum()), reading.lines.tolist()
    keys, values, own = lines[:total], lines[total : 2 * total], lines[2 * total :]
    expected: list[list[float]] = []
    start = 0
    for row, many in enumerate(reading.nodes.tolist()):
        expected.append([])
        for item in items.tolist():
            places = range(start, start + many)
            weights = [1.0, *(math.exp(dot(keys[node], item) + float(reading.log_counts[node])) for node in places)]
            read = [0.0, *(dot(values[node], item) for node in places)]
            expected[-1].append(dot(own[row], item) + dot(weights, read) / sum(weights))
        start += many
    return expected


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def losses(reading: Reading, items: Tensor, classes: Tensor, factor: float = 1.0) -> tuple[Tensor, list[Tensor]]:
    """Ours, and its gradients."""
    loss = cross_entropy(reading, items, classes)
    (loss * factor).backward()
    return loss, gradients(reading, items)


def torchs_own(reading: Reading, items: Tensor, classes: Tensor) -> tuple[Tensor, list[Tensor]]:
    """By autograd through `scores`, in double precision."""
    reading, items = in_double(reading, items)
    loss = functional.cross_entropy(scores(reading, items), classes)
    loss.backward()
    return loss, gradients(reading, items)


def gradients(reading: Reading, items: Tensor) -> list[Tensor]:
    both = [reading.lines.grad, items.grad]
    return [gradient for gradient in both if gradient is not None]


@pytest.mark.parametrize("nodes", SHAPES)
def test_scores_are_what_loops_say(nodes) -> None:
    reading, items = in_double(*numbers(nodes)[:2])

    result = scores(reading, items)

    torch.testing.assert_close(result, torch.tensor(by_hand(reading, items), dtype=torch.float64))


@pytest.mark.parametrize("lines", [1, 4, 64])
@pytest.mark.parametrize("kept", [1, 20, 1024])
@pytest.mark.parametrize("nodes", SHAPES)
def test_loss_and_gradients_in_float32_whatever_is_done_at_a_time(nodes, kept, lines, monkeypatch) -> None:
    monkeypatch.setattr(_target_attention, "LINES", lines)
    monkeypatch.setattr(_target_attention, "KEPT", kept)
    expected, expected_gradients = torchs_own(*numbers(nodes))

    loss, ours = losses(*numbers(nodes))

    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert len(ours) == len(expected_gradients) == 2
    for gradient, other in zip(ours, expected_gradients, strict=True):
        torch.testing.assert_close(gradient.double(), other, rtol=1e-5, atol=1e-6)


def test_loss_and_gradients_in_bf16() -> None:
    """bf16 has 8 bits: scores of about 5 err by 0.02, and gradients by some hundredths."""
    reading, items, classes = numbers(SHAPES[-1])
    expected, expected_gradients = torchs_own(reading, items, classes)

    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(reading, items, classes)
    loss.backward()

    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), abs=0.02)
    for gradient, other in zip(gradients(reading, items), expected_gradients, strict=True):
        assert gradient.dtype == torch.float32
        assert (gradient.double() - other).norm() < 0.03 * other.norm()


def test_the_gradients_are_scaled_by_what_comes_from_above() -> None:
    _, plain = losses(*numbers(SHAPES[-1]))
    _, scaled = losses(*numbers(SHAPES[-1]), factor=-2.0)

    for gradient, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(gradient * -2.0, other)


def test_large_keys_do_not_overflow() -> None:
    reading, items, classes = numbers([3, 1])
    large = Reading((reading.lines * 1000).detach().requires_grad_(), reading.log_counts, reading.nodes)

    loss, ours = losses(large, items, classes)

    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in ours)


def test_a_session_does_not_depend_on_the_others() -> None:
    reading, items, _ = numbers([1, 2, 0, 2])
    alone = Reading(reading.lines[[1, 2, 6, 7, 11]], reading.log_counts[1:3], torch.tensor([2]))

    torch.testing.assert_close(scores(alone, items)[0], scores(reading, items)[1])
