"""No encoder: the input vectors themselves, so that average pooling gives their mean. The control of comparisons."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [encoder] of a recipe whose name is "mean"."""

    max_length: Annotated[int, Ge(1)] = 50
    """Longest session; of longer ones the newest items are kept."""


def build(config: Config, width: int) -> "Mean":
    """The control for vectors of any `width`."""
    del width
    return Mean(config.max_length)


class Mean(nn.Module):
    """Vectors (B, T, D) and mask (B, T) -> the same vectors."""

    causal = True

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Nothing is mixed."""
        del mask
        return vectors
