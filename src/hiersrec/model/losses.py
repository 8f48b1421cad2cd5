"""Losses (paper, eq. 5-7): softmax cross-entropy of a linear layer over all classes, and their weighted sum.

The softmax over a whole catalogue is the largest part of a step, so it is written by hand: logits become probabilities
in place, in the precision of the matrix products with sums in float32, and the gradients come straight from those, in
the forward pass. One block of logits is alive at a time, so memory is bounded whatever the size of the catalogue, but
for what teachers say.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.model.autocast import product_dtype
from hiersrec.model.loss_weights import Weight
from hiersrec.model.products import missing
from hiersrec.model.score_term import SparseScores
from hiersrec.model.targets import Taught

UNLABELLED = -1
"""Class of an example that a task does not train on, such as an item whose category is unknown."""

BLOCK = 2**28
"""Bytes of a block of logits. Each block adds to the whole gradient of the weights, so smaller ones cost time: at 1 M
items this one has 128 rows."""

PART = 2**16
"""Classes whose gradient is added at a time, while it is in the cache."""

TINY = 1e-30
"""Probabilities below this are not read from the softmax, which may have rounded them to 0."""


def cross_entropy(
    state: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    classes: Tensor,
    sparse: SparseScores | None = None,
    taught: Taught | None = None,
) -> Tensor:
    """Cross-entropy of softmax(state @ weight.T + bias), mean over the labelled examples (eq. 5, 6) -> scalar float32.

    state (B, D); weight (C, D); bias (C,) or None; classes (B,) int64, UNLABELLED where there is none; sparse: numbers
    that are added to some logits; taught: the teachers' probabilities of the C classes and their share of the target.
    Products run in autocast's dtype where that is on. Zero where no example has a label. The gradients can be asked for
    once; second derivatives are not defined.
    """
    if sparse is None:
        sparse = SparseScores(classes[:0], classes[:0], torch.zeros(0, device=state.device))
    index, values = sparse[:2], sparse.values
    return cast("Tensor", _CrossEntropy.apply(state, weight, bias, classes, index, values, taught))  # type: ignore[no-untyped-call]


def divisor(labelled: Tensor) -> Tensor:
    """What a sum over the labelled examples of a batch, labelled (B,) bool, is divided by to be their mean -> scalar.

    Where several processes have a share of the batch, the mean of their quotients is the mean over all examples.
    """
    count = labelled.sum()
    if not (distributed.is_available() and distributed.is_initialized()):
        return count.clamp(min=1)
    distributed.all_reduce(count)
    return count.clamp(min=1) / distributed.get_world_size()


def combined(losses: Mapping[str, Tensor], weights: Mapping[str, Weight]) -> Tensor:
    """Weighted sum of the tasks' losses (eq. 7): 1 for the item task, lambda for each category task -> scalar."""
    return torch.stack([weights[name]() * loss for name, loss in losses.items()]).sum()


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        state: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        classes: Tensor,
        sparse_index: tuple[Tensor, Tensor],
        sparse_values: Tensor,
        taught: Taught | None,
    ) -> Tensor:
        dtype = product_dtype(state)
        left, right = state.to(dtype), _padded(weight.to(dtype))
        shift = None if bias is None else _padded(bias.to(dtype))
        labelled = classes != UNLABELLED
        share = labelled.float() / divisor(labelled)  # (B,), each example's weight in the mean
        weighted = left * share[:, None].to(dtype)
        grad_state = torch.empty_like(left) if ctx.needs_input_grad[0] else None
        grad_bias = torch.zeros(len(right), device=state.device) if bias is not None else None
        grad_sparse = torch.empty_like(sparse_values)
        loss = torch.zeros((), device=state.device)
        starts = range(0, len(left), size := max(1, BLOCK // (dtype.itemsize * len(right))))
        of_parts = dtype if len(starts) <= 1 else torch.float32  # sums over blocks are exact
        grad_weight = torch.empty_like(right, dtype=of_parts) if ctx.needs_input_grad[1] else None
        bounds = [0] * (len(starts) + 1)  # of the sparse scores of each block
        if len(sparse_values):
            edges = torch.tensor([*starts, len(left)], device=state.device)
            bounds = torch.searchsorted(sparse_index[0], edges).tolist()
        for start, block in zip(starts, map(slice, bounds[:-1], bounds[1:]), strict=True):
            rows = slice(start, start + size)
            target = (torch.arange(len(left[rows]), device=state.device), classes[rows].clamp(min=0))
            # (R, C), logits until they are none
            probs = left[rows] @ right.T if shift is None else torch.addmm(shift, left[rows], right.T)
            changed, values = (sparse_index[0][block] - start, sparse_index[1][block]), sparse_values[block]
            probs[:, len(weight) :] = -torch.inf  # what is padded
            probs[changed] += values.to(dtype)
            if taught is not None:
                soft = taught.probs[rows].to(dtype)
                # A product of each row with its own: multiplying and adding up would make another array of R x C.
                mean = torch.bmm(probs[:, None, : len(weight)], soft[:, :, None])[:, 0, 0]
                loss += taught.share * ((probs[target].float() - mean.float()) * share[rows]).sum()
            torch.softmax(probs, 1, out=probs)
            loss += (_surprise(probs, target, (left[rows], right, shift), (*changed, values)) * share[rows]).sum()
            # d loss / d logits, but for the share. Not scatter_add_: in bf16 that is slower than all the products.
            if taught is None:
                probs[target] -= 1
            else:
                probs[target] -= 1 - taught.share
                probs[:, : len(weight)].sub_(soft, alpha=taught.share)
            grad_sparse[block] = probs[changed].float() * share[rows][changed[0]]
            if grad_state is not None:
                torch.mm(probs, right, out=grad_state[rows])
            if grad_weight is not None:
                for part, columns in zip(torch.split(grad_weight, PART), torch.split(probs, PART, 1), strict=True):
                    if len(starts) == 1:
                        torch.mm(columns.T, weighted[rows], out=part)
                    else:
                        (part.add_ if start else part.copy_)(columns.T @ weighted[rows])
            if grad_bias is not None:
                grad_bias += share[rows].to(dtype) @ probs
        if grad_state is not None:
            grad_state = grad_state.to(state.dtype).mul_(share[:, None])
        if grad_weight is not None:
            grad_weight = grad_weight[: len(weight)].to(weight.dtype)
        if grad_bias is not None:
            grad_bias = grad_bias[: len(weight)]
        ctx.gradients = (grad_state, grad_weight, grad_bias, grad_sparse)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("The gradients of cross_entropy are scaled in place, so they can be computed once.")
        *gradients, grad_sparse = ctx.gradients
        ctx.gradients = None
        if factor.device.type != "cpu" or factor.item() != 1:  # as the weight of the item task mostly is
            for gradient in (*gradients, grad_sparse):
                if gradient is not None:
                    gradient.mul_(factor)
        return (*gradients, None, None, grad_sparse, None)


def _padded(values: Tensor) -> Tensor:
    """Values of C classes, (C,) or (C, D), with zeros behind them where that is faster (products.py)."""
    more = missing(len(values), values.device)
    return functional.pad(values, (0, 0) * (values.dim() - 1) + (0, more)) if more else values


def _surprise(
    probs: Tensor,
    target: tuple[Tensor, Tensor],
    layer: tuple[Tensor, Tensor, Tensor | None],
    sparse: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """-log of the probability at `target` -> (R,) float32, also where that is too small for its dtype.

    layer: states (R, D), weights (C, D) and biases (C,) or None; sparse: rows, classes and values of what is added to
    the logits.
    """
    target_probs = probs[target].float()
    surprise = -target_probs.log()
    tiny = target_probs < TINY
    for row in tiny.nonzero()[:, 0] if bool(tiny.any()) else ():
        top = probs[row].argmax()
        surprise[row] = _logit(row, top, layer, sparse) - _logit(row, target[1][row], layer, sparse)
        surprise[row] -= probs[row, top].float().log()
    return surprise


def _logit(
    row: Tensor, column: Tensor, layer: tuple[Tensor, Tensor, Tensor | None], sparse: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """One logit again, in float32."""
    (left, right, shift), (rows, columns, values) = layer, sparse
    logit = left[row].float() @ right[column].float() + values[(rows == row) & (columns == column)].sum()
    return logit if shift is None else logit + shift[column].float()
