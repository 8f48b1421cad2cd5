"""What an item of the session itself adds to its own score: people come back to what they have just seen.

    term(i) = sum over the positions t with s_t = i of  place_(T - t) + u . relu(A [state_t ; z_final])

Of Diginetica's next items a fifth are such. The copy mechanism of CopyNet (Gu et al., ACL 2016) and RepeatNet (Ren et
al., AAAI 2019), added to the score in place of a mixture of two softmaxes, so that a score stays a sum and explains.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.constraints import equals, requires
from hiersrec.model.score_term import PositionTerm
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions

HIDDEN = 64
"""Length of u."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    repeats: bool = False
    """Learn what an item of the session adds to its own score (model/score_terms/repeats.py)."""


CONSTRAINTS = (
    requires(
        equals("tasks.item.repeats", True),
        equals("tasks.item.softmax", "full"),
        "the loss of the others scores drawn items only",
    ),
)


def build(config: Config, catalog: Catalog, width: int, max_length: int, train: Sessions | None) -> "Repeats | None":
    """The term for states of `width` D and sessions of at most `max_length` items."""
    del catalog, train
    return Repeats(width, max_length) if config.repeats else None


class Repeats(PositionTerm):
    """Starts with hardly any effect."""

    label = "repeat"
    position_rows = ("place",)

    def __init__(self, width: int, max_length: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(max_length))
        self.state = nn.Linear(width, HIDDEN)
        self.final = nn.Linear(width, HIDDEN, bias=False)
        self.out = nn.Linear(HIDDEN, 1, bias=False)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, states: Tensor, newest: Tensor, finals: Tensor) -> Tensor:
        position = torch.arange(states.shape[1], device=states.device)
        distance = (newest[..., None] - position).clamp(min=0)  # (B, P, T)
        hidden = torch.relu(self.state(states)[:, None] + self.final(finals)[:, :, None])  # (B, P, T, HIDDEN)
        learnt: Tensor = self.out(hidden)[..., 0]
        # Not place[...]: on several threads the gradient of indexing adds up in no fixed order.
        return learnt.float() + functional.embedding(distance, self.place[:, None])[..., 0]
