"""States of a session -> one vector z_final (paper, section 3: average pooling)."""

from torch import Tensor


def average(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real positions: states (B, T, D), mask (B, T) bool -> (B, D)."""
    kept = states * mask.unsqueeze(-1)
    return kept.sum(1) / mask.sum(1, keepdim=True)
