"""Products with all classes in rows that begin at whole cache lines."""

import pytest
import torch
from torch.nn import functional

from hiersrec.model.products import WHOLE, missing, products

CPU = torch.device("cpu")


def test_missing_classes_fill_a_multiple() -> None:
    assert [missing(classes, CPU) for classes in (1, WHOLE - 1, WHOLE, WHOLE + 1)] == [WHOLE - 1, 1, 0, WHOLE - 1]
    assert missing(1, torch.device("meta")) == 0


@pytest.mark.parametrize("classes", [1, WHOLE, WHOLE + 5])
@pytest.mark.parametrize("has_biases", [False, True])
def test_they_are_those_of_a_linear_layer(classes, has_biases) -> None:
    states, vectors = torch.randn(3, 8), torch.randn(classes, 8)
    biases = torch.randn(classes) if has_biases else None

    with torch.inference_mode():
        scores = products(states, vectors, biases)

    torch.testing.assert_close(scores, functional.linear(states, vectors, biases))
    assert scores.shape == (3, classes)
    assert scores.stride(0) % WHOLE == 0 or classes % WHOLE == 0


def test_gradients_go_through() -> None:
    states = torch.randn(2, 4, requires_grad=True)

    products(states, torch.ones(5, 4), None).sum().backward()

    assert torch.equal(states.grad, torch.full((2, 4), 5.0))


def test_autocast_chooses_the_type() -> None:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert products(torch.randn(2, 4), torch.randn(5, 4), None).dtype == torch.bfloat16
