"""States of a session -> one vector z_final (paper, section 3).

The paper takes the average, having tried max pooling and trainable pooling. `attention` is the usual trainable form
(Yang et al., Hierarchical Attention Networks, 2016): weights softmax(u . tanh(A s_t)). `last` is the newest
item's state.
"""

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """Mean over the real positions: states (B, T, D), mask (B, T) bool -> (B, D)."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Each session has at least one position."""
        kept = states * mask.unsqueeze(-1)
        return kept.sum(1) / mask.sum(1, keepdim=True)


class Max(nn.Module):
    """Largest number over the real positions, in each of the D places."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D), mask (B, T) -> (B, D)."""
        return states.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)


class Last(nn.Module):
    """State of the newest item."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D), mask (B, T) -> (B, D)."""
        last = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, states.shape[2])  # (B, 1, D)
        return states.gather(1, last)[:, 0]


class Attention(nn.Module):
    """Weighted mean over the real positions, the weights learnt from the states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D), mask (B, T) -> (B, D)."""
        logits = self.score(torch.tanh(self.hidden(states)))[..., 0].masked_fill(~mask, -torch.inf)  # (B, T)
        pooled: Tensor = (logits.softmax(1).unsqueeze(-1) * states).sum(1)
        return pooled


def build(name: str, width: int) -> nn.Module:
    """The pooling of that name (see config.Head), for states of width D."""
    if name == "attention":
        return Attention(width)
    simple: dict[str, type[nn.Module]] = {"average": Average, "max": Max, "last": Last}
    return simple[name]()
