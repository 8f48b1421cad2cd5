"""Decay: the state after each item is a mean of the items so far, in which each earlier one weighs less."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the encoder."""

    max_length: Annotated[int, Ge(1)] = 50
    """Newest items of a session that are read."""
    decay: Annotated[float, Gt(0), Le(1)] = 0.5
    """Weight of an item, relative to the one after it."""


def build(config: Config, width: int) -> nn.Module:
    """Vectors (B, T, D) and mask (B, T) -> states (B, T, D)."""
    return Decay(width, config.max_length, config.decay)


class Decay(nn.Module):
    """state_t = W mean_s decay^(t - s) v_s + v_t"""

    causal = True

    def __init__(self, width: int, max_length: int, decay: float) -> None:
        super().__init__()
        self.max_length = max_length
        self.decay = decay
        self.mix = nn.Linear(width, width)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        position = torch.arange(vectors.shape[1], device=vectors.device)
        distance = position[:, None] - position  # (T, T)
        weights = torch.where(distance >= 0, self.decay ** distance.clamp(min=0).float(), 0.0)
        items = vectors * mask[..., None].to(vectors.dtype)
        mean = (weights / weights.sum(1, keepdim=True)).to(vectors.dtype) @ items
        return self.mix(mean) + items
