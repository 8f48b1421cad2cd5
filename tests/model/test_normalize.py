"""Vectors at length 1, against torch's own."""

import pytest
import torch
from torch.nn import functional

from hiersrec.model import row_blocks
from hiersrec.model.normalize import unit


@pytest.fixture(params=[row_blocks.NUMBERS, 10, 1])
def block(request, monkeypatch) -> None:
    """All rows in one block; two rows of five numbers; one."""
    monkeypatch.setattr(row_blocks, "NUMBERS", request.param)


@pytest.mark.usefixtures("block")
def test_vectors_and_gradients_are_those_of_normalize() -> None:
    torch.manual_seed(0)
    vectors = (torch.randn(7, 5) * torch.rand(7, 1) * 10).requires_grad_()
    upstream = torch.randn(7, 5)
    expected = functional.normalize(vectors, dim=-1)

    found = unit(vectors)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, vectors, upstream), torch.autograd.grad(expected, vectors, upstream)
    )


def test_zeros_stay_zeros() -> None:
    vectors = torch.zeros(2, 3)
    vectors[1, 1] = -4.0

    assert unit(vectors).tolist() == [[0, 0, 0], [0, -1, 0]]


def test_half_precision_comes_out_in_float32_and_its_gradients_in_half() -> None:
    vectors = torch.randn(4, 6).bfloat16().requires_grad_()

    found = unit(vectors)
    found.sum().backward()

    assert found.dtype == torch.float32
    assert vectors.grad is not None
    assert vectors.grad.dtype == torch.bfloat16
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(4))


def test_a_gradient_is_at_right_angles_to_its_vector() -> None:
    vectors = torch.randn(9, 4).requires_grad_()

    unit(vectors).backward(torch.randn(9, 4))

    assert vectors.grad is not None
    assert (vectors.grad * vectors).sum(1).abs().max() < 1e-5


@pytest.mark.usefixtures("block")
def test_what_is_mixed_in_is_added_before() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(size, requires_grad=True) for size in ((7, 5), (7, 3), (5, 3))]
    vectors, other, mix = leaves
    upstream = torch.randn(7, 5)
    expected = functional.normalize(vectors + other @ mix.T, dim=-1)

    found = unit(vectors, other, mix)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves, upstream), torch.autograd.grad(expected, leaves, upstream)
    )


def test_under_autocast_it_is_in_its_dtype_and_near() -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(size, requires_grad=True) for size in ((7, 5), (7, 3), (5, 3))]
    upstream = torch.randn(7, 5)
    expected = unit(*leaves)

    with torch.autocast("cpu", torch.bfloat16):
        found = unit(*leaves)

    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.02)
    gradients = torch.autograd.grad(found, leaves, upstream.bfloat16())
    for near, exact in zip(gradients, torch.autograd.grad(expected, leaves, upstream), strict=True):
        assert near.dtype == torch.float32
        assert (near - exact).norm() < 0.02 * exact.norm()
