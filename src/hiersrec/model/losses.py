"""Losses (paper, eq. 5-7)."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

UNLABELLED = -1
"""Class of an example that a task does not train on, such as an item whose category is unknown."""


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Softmax cross-entropy over all classes, mean over the labelled examples (eq. 5, 6).

    logits (B, C) of any float type, summed in float32; classes (B,) int64, UNLABELLED where there is none -> scalar.
    Zero where no example has a label.
    """
    labelled = (classes != UNLABELLED).sum().clamp(min=1)
    total = functional.cross_entropy(logits.float(), classes, ignore_index=UNLABELLED, reduction="sum")
    return total / labelled


def combined(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Weighted sum of the tasks' losses (eq. 7): 1 for the item task, lambda for each category task -> scalar."""
    return sum((weights[name] * loss for name, loss in losses.items()), start=next(iter(losses.values())) * 0.0)
