"""What an item of the session itself adds to its own score: people come back to what they have just seen.

    addend(i) = sum over the positions t with s_t = i of  place_(T - t) + u . relu(A [state_t ; z_final])

Of Diginetica's next items a fifth are such. The copy mechanism of CopyNet (Gu et al., ACL 2016) and RepeatNet (Ren et
al., AAAI 2019), added to the score in place of a mixture of two softmaxes, so that a score stays a sum and explains.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 64
"""Length of u."""


class Addends(NamedTuple):
    """M numbers that are added to some of the logits (B, N); no place comes twice."""

    rows: Tensor
    """(M,) int64, from 0 to B - 1, ascending."""
    classes: Tensor
    """(M,) int64, from 0 to N - 1."""
    values: Tensor
    """(M,) float32."""

    def onto(self, logits: Tensor) -> Tensor:
        """Logits (B, N) with the numbers added, float32."""
        place = (self.rows, self.classes)
        return logits.float().index_put(place, logits[place].float() + self.values)


class Repeats(nn.Module):
    """Starts with hardly any effect. max_length: the longest session."""

    def __init__(self, width: int, max_length: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(max_length))
        self.state = nn.Linear(width, HIDDEN)
        self.final = nn.Linear(width, HIDDEN, bias=False)
        self.out = nn.Linear(HIDDEN, 1, bias=False)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, states: Tensor, mask: Tensor, final: Tensor) -> Tensor:
        """What each position adds to its item: states (B, T, D), mask (B, T), z_final (B, D) -> (B, T) float32."""
        return self._values(states, mask.sum(1, keepdim=True) - 1, final[:, None])[:, 0] * mask

    def addends(self, items: Tensor, states: Tensor, mask: Tensor, final: Tensor) -> Addends:
        """For items (B, T): with z_final (B, D) those of B sessions; with z_final of every position, (B, T, D), those
        of their P prefixes, one after another.
        """
        b, t = items.shape
        if final.dim() == 2:
            inside, values = mask[:, None], self(states, mask, final)[:, None]  # (B, 1, T)
        else:
            at = torch.arange(t, device=items.device)
            inside = mask[:, :, None] & (at <= at[:, None])  # (B, T, T): the prefix that ends at i holds position j
            values = self._values(states, at.expand(b, t), final) * inside
        same = items[:, :, None] == items[:, None]  # (B, T, T)
        total = (values @ same.to(values.dtype)).float()  # (B, P, T): of all positions of that item
        first = ~(same & (torch.ones_like(same[0]).tril(-1))).any(2)  # (B, T): no earlier position has the item
        session, prefix, position = (inside & first[:, None]).nonzero(as_tuple=True)
        rows = (mask if final.dim() == 3 else mask[:, :1]).flatten().cumsum(0) - 1  # of each prefix
        row = rows[session * inside.shape[1] + prefix]
        return Addends(row, items[session, position] - 1, total[session, prefix, position])

    def _values(self, states: Tensor, newest: Tensor, finals: Tensor) -> Tensor:
        """(B, P, T) float32, for prefixes whose newest position is `newest` (B, P) and z_final `finals` (B, P, D)."""
        position = torch.arange(states.shape[1], device=states.device)
        place = (newest[..., None] - position).clamp(min=0)  # (B, P, T)
        hidden = torch.relu(self.state(states)[:, None] + self.final(finals)[:, :, None])  # (B, P, T, HIDDEN)
        learnt: Tensor = self.out(hidden)[..., 0]
        # Not place[...]: on several threads the gradient of indexing adds up in no fixed order.
        return learnt.float() + functional.embedding(place, self.place[:, None])[..., 0]
