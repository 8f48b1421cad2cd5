"""Losses (paper, eq. 5-7): softmax cross-entropy of a linear layer over all classes, and their weighted sum.

The softmax over a whole catalogue is the largest part of a step, so it is written by hand: logits are made for a few
rows at a time, turned into probabilities while they are in the cache, and the gradients come straight from those. Only
one array of the size of the logits exists, in the precision of the matrix products; sums are in float32.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from hiersrec.model.weights import Weight

UNLABELLED = -1
"""Class of an example that a task does not train on, such as an item whose category is unknown."""

ROWS = 64
"""Rows of logits in float32 at a time: 11 MB at 43 K items, so that they stay in the last-level cache."""


def cross_entropy(state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor) -> Tensor:
    """Cross-entropy of softmax(state @ weight.T + bias), mean over the labelled examples (eq. 5, 6) -> scalar float32.

    state (B, D); weight (C, D); bias (C,) or None; classes (B,) int64, UNLABELLED where there is none. Products run in
    autocast's dtype where that is on. Zero where no example has a label. Second derivatives are not defined.
    """
    return cast("Tensor", _CrossEntropy.apply(state, weight, bias, classes))  # type: ignore[no-untyped-call]


def combined(losses: Mapping[str, Tensor], weights: Mapping[str, Weight]) -> Tensor:
    """Weighted sum of the tasks' losses (eq. 7): 1 for the item task, lambda for each category task -> scalar."""
    return torch.stack([weights[name].addend(loss) for name, loss in losses.items()]).sum()


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, weight: Tensor, bias: Tensor | None, classes: Tensor) -> Tensor:
        device = state.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        left, right = state.to(dtype), weight.to(dtype)
        labelled = classes != UNLABELLED
        share = labelled.float() / labelled.sum().clamp(min=1)  # (B,), each example's weight in the mean
        index = classes.clamp(min=0)
        loss = torch.zeros((), device=state.device)
        residual = torch.empty(len(left), len(right), dtype=dtype, device=state.device)  # d loss / d logits
        for start in range(0, len(left), ROWS):
            rows = slice(start, start + ROWS)
            logits = (left[rows] @ right.T).float()  # (R, C)
            if bias is not None:
                logits += bias.float()
            target = index[rows, None]
            at_target = logits.gather(1, target)
            top = logits.amax(1, keepdim=True)
            total = logits.sub_(top).exp_().sum(1, keepdim=True)
            loss += ((total.log() + top - at_target)[:, 0] * share[rows]).sum()
            weight_of_row = share[rows, None]
            residual[rows] = logits.mul_(weight_of_row / total)
            prob_at_target = (at_target - top).exp() / total
            residual[rows].scatter_(1, target, ((prob_at_target - 1) * weight_of_row).to(dtype))
        ctx.save_for_backward(residual, left, right)
        ctx.dtypes = (state.dtype, weight.dtype, None if bias is None else bias.dtype)
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        residual, left, right = ctx.saved_tensors
        state_dtype, weight_dtype, bias_dtype = ctx.dtypes
        factor = outputs[0]
        bias = None if bias_dtype is None else residual.sum(0, dtype=torch.float32).to(bias_dtype) * factor
        return (
            (residual @ right).to(state_dtype) * factor,
            (residual.T @ left).to(weight_dtype) * factor,
            bias,
            None,
        )
