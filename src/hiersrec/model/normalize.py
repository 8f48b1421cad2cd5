"""Vectors at length 1, those of a whole catalogue at each step, for a block of rows at a time (row_blocks.py).

u = v / |v|, where v is a vector x, or x + A y with another vector y of the same row.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.model.autocast import product_dtype
from hiersrec.model.row_blocks import blocks

SHORTEST = 1e-12
"""Shorter vectors are divided by this, as in torch's `normalize`; zeros stay zeros."""


def unit(vectors: Tensor, other: Tensor | None = None, mix: Tensor | None = None) -> Tensor:
    """Vectors x (K, d), others y (K, c) and a mix A (d, c), or x only -> u (K, d), in autocast's dtype or float32.

    The product with A is made in autocast's dtype too. Second derivatives are not defined.
    """
    if torch.is_grad_enabled():
        return cast("Tensor", _Unit.apply(vectors, other, mix))  # type: ignore[no-untyped-call]
    if other is not None and mix is not None:
        vectors = vectors + functional.linear(other, mix)
    inverse = vectors.float().norm(dim=-1, keepdim=True).clamp(min=SHORTEST).reciprocal()
    units: Tensor = vectors * inverse  # in one piece: an export knows no blocks
    return units


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, other: Tensor | None, mix: Tensor | None) -> Tensor:
        dtype = product_dtype(vectors)
        units = torch.empty_like(vectors, dtype=dtype)
        inverse = torch.empty(len(vectors), 1, device=vectors.device)  # 1 / |v|
        low_other, low_mix = (None, None) if other is None or mix is None else (other.to(dtype), mix.to(dtype))
        for block in blocks(vectors):
            part = vectors[block].float()
            if low_other is not None and low_mix is not None:
                part = (low_other[block] @ low_mix.T).float().add_(part)
            torch.reciprocal(part.norm(dim=-1, keepdim=True).clamp_(min=SHORTEST), out=inverse[block])
            units[block] = part * inverse[block]
        ctx.save_for_backward(units, inverse, low_other, low_mix)
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in (vectors, other, mix)]
        return units

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Of v: (g - u (u . g)) / |v|."""
        units, inverse, other, mix = ctx.saved_tensors
        of_vectors = torch.empty_like(gradient, dtype=ctx.dtypes[0])
        of_other = None if other is None else torch.empty_like(other)
        of_mix = None if mix is None else torch.zeros_like(mix, dtype=torch.float32)
        for block in blocks(gradient):
            part, unit_part = gradient[block].float(), units[block].float()
            along = (unit_part * part).sum(-1, keepdim=True)
            part = torch.addcmul(part, unit_part, along, value=-1).mul_(inverse[block])
            of_vectors[block] = part
            if of_other is not None:
                low = part.to(other.dtype)
                torch.mm(low, mix, out=of_other[block])
                of_mix += low.T @ other[block]
        _, other_dtype, mix_dtype = ctx.dtypes
        return (
            of_vectors,
            None if of_other is None else of_other.to(other_dtype),
            None if of_mix is None else of_mix.to(mix_dtype),
        )
