"""Cross-entropy over all items whose vectors are split over processes (split.py), on the plan of losses.py.

Each process has the logits of its own items, a block of rows at a time. What it must know of the others is three
numbers for each row: the greatest logit, the sum of the exponentials and the logit of the right item. This is the
vocabulary-parallel loss of Megatron-LM (Shoeybi et al. 2019, section 3) and of torch's loss_parallel.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from hiersrec.model import losses
from hiersrec.model.losses import UNLABELLED, divisor, product, scaled_once
from hiersrec.model.split import Split

SLICE = 2**18
"""Logits that become exponentials at a time, in float32, on a processor: 1 MB. A GPU takes a whole block."""


def split_cross_entropy(state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor, split: Split) -> Tensor:
    """losses.cross_entropy, of weight (n, D) and bias (n,) of the items that lie here -> scalar float32.

    state (B, D) and classes (B,) int64, of all N items, are the same in all processes, and so are the loss and the
    gradient of the state.
    """
    return cast("Tensor", _SplitCrossEntropy.apply(state, weight, bias, classes, split))  # type: ignore[no-untyped-call]


class _SplitCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor, split: Split) -> Tensor:
        device = state.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        left, right = state.to(dtype), weight.to(dtype)
        shift = None if bias is None else bias.to(dtype)
        labelled = classes != UNLABELLED
        share = labelled.float() / divisor(labelled)  # (B,), each example's weight in the mean
        place, mine = split.own(classes)
        grad_state = torch.empty(left.shape, device=state.device)
        grad_weight = torch.empty(right.shape, device=state.device)
        grad_bias = torch.zeros(len(right), device=state.device) if bias is not None else None
        loss = torch.zeros((), device=state.device)
        # As many rows in all processes: each block is an exchange.
        for start in range(0, len(left), size := max(1, losses.BLOCK // (dtype.itemsize * split.most))):
            rows = slice(start, start + size)
            logits = product(left[rows], right, shift)  # (R, n)
            at = (torch.arange(len(logits), device=state.device), place[rows])
            top = logits.amax(1).float()
            distributed.all_reduce(top, distributed.ReduceOp.MAX)
            target = (logits[at].float() - top) * mine[rows]
            both = torch.stack([_exponentials(logits, top), target])  # (2, R)
            distributed.all_reduce(both)
            total, target = both.unbind()
            loss += ((total.log() - target) * share[rows]).sum()
            # d loss / d logits, but for share / total, by which the rows are scaled at the end.
            logits[at] -= (total * mine[rows]).to(dtype)
            scale = (share[rows] / total)[:, None]  # (R, 1)
            torch.mul(logits @ right, scale, out=grad_state[rows])
            weighted = (left[rows] * scale).to(dtype)
            gradients, columns = torch.split(grad_weight, losses.PART), torch.split(logits, losses.PART, 1)
            for part, some in zip(gradients, columns, strict=True):
                found = some.T @ weighted
                (part.add_ if start else part.copy_)(found)
            if grad_bias is not None:
                grad_bias += scale[:, 0].to(dtype) @ logits
        distributed.all_reduce(grad_state)
        ctx.gradients = (grad_state.to(state.dtype), grad_weight, grad_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        return (*scaled_once(ctx, factor), None, None)


def _exponentials(logits: Tensor, top: Tensor) -> Tensor:
    """Put exp(logit - top) in the place of the logits (R, n) -> their sums (R,) float32."""
    size = max(1, SLICE // logits.shape[1]) if logits.device.type == "cpu" else len(logits)
    sums = []
    for part, most in zip(torch.split(logits, size), torch.split(top, size), strict=True):
        found = (part.float() - most[:, None]).exp_()
        sums.append(found.sum(1))
        part.copy_(found)
    return torch.cat(sums)
