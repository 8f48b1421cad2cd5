"""What an item of the session itself adds to its own score: people come back to what they have just seen.

    term(i) = sum over the positions t with s_t = i of  place_(T - t) + u . relu(A [state_t ; z_final])

Of Diginetica's next items a fifth are such. The copy mechanism of CopyNet (Gu et al., ACL 2016) and RepeatNet (Ren et
al., AAAI 2019), added to the score in place of a mixture of two softmaxes, so that a score stays a sum and explains.

A model that has read few sessions many times knows what came next in them by heart, and learns there that people come
back less often than they do: of an eighth of RetailRocket's sessions it expects 35 % of the next items to be such, and
48 % are. So an offset is added to each place once training is over, chosen by MRR@20 of validation sessions.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.score_term import Choice, PositionTerm
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions

HIDDEN = 64
"""Length of u."""
STEP, MOST = 0.5, 3.0
"""Offsets that are tried, up or down from 0."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    repeats: bool = False
    """Learn what an item of the session adds to its own score (model/score_terms/repeats.py)."""
    repeats_offset: Annotated[float, Ge(-10), Le(10)] | Literal["fit"] = "fit"
    """What is added to that after training, in logits: a number, or "fit", which chooses it on validation sessions and
    is 0 in a refit, which has none."""


def build(config: Config, catalog: Catalog, width: int, max_length: int, train: Sessions | None) -> "Repeats | None":
    """The term for states of `width` D and sessions of at most `max_length` items."""
    del catalog, train
    return Repeats(width, max_length, config.repeats_offset) if config.repeats else None


class Repeats(PositionTerm):
    """Starts with hardly any effect."""

    label = "repeat"
    position_rows = ("place",)

    def __init__(self, width: int, max_length: int, offset: float | Literal["fit"]) -> None:
        super().__init__()
        self.chosen = offset
        self.register_buffer("offset", torch.tensor(0.0 if offset == "fit" else offset))
        self.register_load_state_dict_pre_hook(_without_offset)  # type: ignore[no-untyped-call]
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
        places = functional.embedding(distance, self.place[:, None])[..., 0]
        scores = learnt.float() + places
        return scores if self.training else scores + self.get_buffer("offset")

    @property
    def choice(self) -> Choice:
        offset = self.get_buffer("offset")
        return Choice(offset, self.chosen, STEP, MOST, signed=True, key="tasks.item.repeats_offset")


def _without_offset(term: Repeats, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
    """Weights of older runs have none."""
    del rest
    state.setdefault(f"{prefix}offset", torch.zeros_like(term.get_buffer("offset")))
