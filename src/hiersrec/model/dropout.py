"""Dropout whose random numbers are cheap on a processor, where torch's own took a tenth of a training step.

Two bytes of randomness decide over a number, so a probability is a multiple of 1 / 65,536. A GPU takes torch's own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STEPS = 2**16
"""Probabilities are multiples of one over this."""


class Dropout(nn.Module):
    """In training, zeros with this probability (below 1), the other numbers being scaled so that the mean stays."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        """Any shape and floating dtype; the same out."""
        return dropout(values, self.probability) if self.training else values


def dropout(values: Tensor, probability: float) -> Tensor:
    """Values with zeros in random places, from torch's generator of their device."""
    if values.device.type != "cpu":
        return functional.dropout(values, probability)
    dropped = min(round(probability * STEPS), STEPS - 1)
    if not dropped:
        return values
    words = torch.empty((values.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[: values.numel()].view(values.shape) >= dropped - STEPS // 2
    return values * (kept.to(values.dtype) * (STEPS / (STEPS - dropped)))
