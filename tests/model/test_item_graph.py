"""Sums over the neighbours of items, against products with a dense matrix."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hiersrec.model import row_blocks
from hiersrec.model.item_graph import ItemGraph

ROWS, WIDTH = 8, 3
EDGES = np.array([[1, 1, 2, 5, 7, 7, 7], [2, 3, 1, 6, 1, 5, 6]], np.int32)
SHARES = np.array([0.75, 0.25, 1, 1, 0.5, 0.25, 0.25], np.float32)


@pytest.fixture(params=[row_blocks.NUMBERS, 2 * WIDTH, 1], autouse=True)
def block(request, monkeypatch) -> None:
    """All items in one block; two items; one."""
    monkeypatch.setattr(row_blocks, "NUMBERS", request.param)


def leaves() -> tuple[Tensor, Tensor]:
    """Vectors of padding and seven items, and the weight of the sums."""
    torch.manual_seed(0)
    vectors = torch.randn(ROWS, WIDTH)
    vectors[0] = 0
    return vectors.requires_grad_(), torch.tensor(0.4, requires_grad=True)


def by_matrix(vectors: Tensor, weight: Tensor, kept: Tensor | None) -> Tensor:
    matrix = torch.zeros(ROWS, ROWS)
    matrix[tuple(torch.from_numpy(EDGES).long())] = torch.from_numpy(SHARES)
    mixed = (vectors + weight * (matrix @ vectors))[1:]
    return mixed if kept is None else mixed * kept[1:, None]


@pytest.mark.parametrize("kept", [None, torch.tensor([True, True, False, True, True, False, True, False])])
def test_vectors_and_gradients_are_those_of_a_matrix(kept) -> None:
    given, upstream = leaves(), torch.randn(ROWS - 1, WIDTH)
    expected = by_matrix(*given, kept)

    found = ItemGraph(ROWS, (EDGES, SHARES)).mixed(*given, kept)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, given, upstream), torch.autograd.grad(expected, given, upstream)
    )


def test_a_sparse_gradient_is_the_same() -> None:
    given, items = leaves(), torch.tensor([6, 0, 6])
    graph = ItemGraph(ROWS, (EDGES, SHARES))

    found, expected = (
        torch.autograd.grad(torch.nn.functional.embedding(items, graph.mixed(*given), sparse=sparse).sum(), given)
        for sparse in (True, False)
    )

    torch.testing.assert_close(found, expected)


def test_in_bf16_it_is_near() -> None:
    given, upstream = leaves(), torch.randn(ROWS - 1, WIDTH)
    graph = ItemGraph(ROWS, (EDGES, SHARES))
    exact = torch.autograd.grad(graph.mixed(*given), given, upstream)

    with torch.autocast("cpu", torch.bfloat16):
        found = graph.mixed(*given)

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, graph.mixed(*given), rtol=0, atol=0.02)
    torch.testing.assert_close(torch.autograd.grad(found, given, upstream), exact, rtol=0, atol=0.05)
