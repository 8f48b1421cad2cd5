"""States of a session -> one vector z_final (paper, section 3).

The paper takes the average, having tried max pooling and trainable pooling. `attention` is the usual trainable form
(Yang et al., Hierarchical Attention Networks, 2016): weights softmax(u . tanh(A s_t)). `last` is the newest
item's state.

Each pools a session whole or, `running`, as it was after each of its items.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Pooling(nn.Module, ABC):
    """Real positions stand first; each session has at least one."""

    @abstractmethod
    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, D), mask (B, T) bool -> (B, D)."""

    @abstractmethod
    def running(self, states: Tensor) -> Tensor:
        """States (B, T, D) -> (B, T, D): at place t, what forward gives for the first t + 1 positions."""


class Average(Pooling):
    """Mean over the real positions."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Sum over count."""
        kept = states * mask.unsqueeze(-1)
        return kept.sum(1) / mask.sum(1, keepdim=True)

    def running(self, states: Tensor) -> Tensor:
        """Running sum over running count."""
        return states.cumsum(1) / torch.arange(1, states.shape[1] + 1, device=states.device)[:, None]


class Max(Pooling):
    """Largest number over the real positions, in each of the D places."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Padding is minus infinity."""
        return states.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)

    def running(self, states: Tensor) -> Tensor:
        """Running maximum."""
        return states.cummax(1).values


class Last(Pooling):
    """State of the newest item."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Gathered, since lengths differ."""
        last = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, states.shape[2])  # (B, 1, D)
        return states.gather(1, last)[:, 0]

    def running(self, states: Tensor) -> Tensor:
        """Each state is the last of its prefix."""
        return states


class Attention(Pooling):
    """Weighted mean over the real positions, the weights learnt from the states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Padding has the weight 0."""
        logits = self._logits(states).masked_fill(~mask, -torch.inf)  # (B, T)
        pooled: Tensor = (logits.softmax(1).unsqueeze(-1) * states).sum(1)
        return pooled

    def running(self, states: Tensor) -> Tensor:
        """A softmax of its own for each prefix."""
        t = states.shape[1]
        later = torch.ones(t, t, dtype=torch.bool, device=states.device).triu(1)  # (T, T): beyond the prefix's end
        logits = self._logits(states)[:, None].masked_fill(later, -torch.inf)  # (B, T, T)
        return logits.softmax(-1).to(states.dtype) @ states

    def _logits(self, states: Tensor) -> Tensor:
        logits: Tensor = self.score(torch.tanh(self.hidden(states)))[..., 0]  # (B, T)
        return logits


def build(name: str, width: int) -> Pooling:
    """The pooling of that name (see config.Head), for states of width D."""
    if name == "attention":
        return Attention(width)
    simple: dict[str, type[Pooling]] = {"average": Average, "max": Max, "last": Last}
    return simple[name]()
