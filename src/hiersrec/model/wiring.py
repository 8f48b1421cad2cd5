"""What a task is, and how it stands in the hierarchy."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from hiersrec.model import loss_weights
from hiersrec.model.targets import Targets


@dataclass(frozen=True)
class Wiring:
    """How one task stands in the hierarchy."""

    loss_weight: loss_weights.Setting
    """Weight of its loss (eq. 7): lambda for a category task."""
    reads: tuple[str, ...]
    """Names of earlier tasks whose predictions flow into it."""
    injection_weight: loss_weights.Setting
    """lambda_C (eq. 4)."""
    reads_as: Literal["logits", "probs"]
    """Feed on raw score vectors (the paper) or on probabilities."""


class Task(Protocol):
    """What every module of `tasks/` builds."""

    num_classes: int

    def __call__(self, state: Tensor) -> Tensor:
        """State (B, D) -> logits (B, num_classes)."""

    def loss(self, state: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy (scalar) of the states (B, D) for what followed."""
