"""Score terms: what is added to the product of a query and an item's vector.

    score_i = query . vector_i + bias_i + sum over the score terms of term_i(session)

A term is one file in score_terms/, and nothing else knows it by name. The file has

    Config       frozen dataclass; its fields are keys of [[tasks]] item, as those of tasks/item.py are, so no two terms
                 may share one
    CONSTRAINTS  what its settings require (constraints.py), if anything
    build(config, catalog, width, max_length, train) -> the term, or None where the settings turn it off
    advice(config, data) -> lines that a person should read before training, if there are any

and the term is one of three kinds, which say where its values come from:

    ItemTerm      a constant of each item, added after training: the loss does without it, and so do tasks that read the
                  item task, and students of this model. A bundle keeps it as an array.
    PositionTerm  what each position of the session adds to the score of its own item, learnt with everything else. A
                  bundle has it as an output of the exported graph.
    PairTerm      what each item of the session adds to the scores of other items: constants of pairs of items, added
                  after training. A bundle keeps them as arrays.

Reasons call a term by its `label`. Its tensors stand in the file of weights under the name of its file. One with a row
for each item gets zeros for items that are added later; what follows from the catalogue is better a constant
(buffers.py), made for the larger catalogue. In a warm start, parameters named in `position_rows` keep the rows of the
same positions.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn


class ItemTerm(nn.Module, ABC):
    """A constant of each item."""

    label: ClassVar[str]

    @abstractmethod
    def forward(self) -> Tensor:
        """(N,) float32, added to the scores of items 1 to N."""


class PositionTerm(nn.Module, ABC):
    """What the positions of a session add to the scores of their items."""

    label: ClassVar[str]
    position_rows: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def forward(self, states: Tensor, newest: Tensor, finals: Tensor) -> Tensor:
        """For P prefixes of each session, which end at position `newest` (B, P) and have z_final `finals` (B, P, D).

        states: (B, T, D) of the encoder. Returns (B, P, T) float32; values outside the prefix are not read.
        """

    @property
    def choice(self) -> "Choice | None":
        """What is set when training is over, if there is something."""
        return None


class PairTerm(nn.Module):
    """What the items of a session add to the scores of others: value(s, j) / p for the p-th newest item s.

    pairs: counts (N,) int64, how many others each item has, and those others (E,) int32 from 1 with their values (E,)
    float32, item after item, all three saved with the weights. None has no pairs until it is loaded.
    """

    label: ClassVar[str]
    counts: Tensor
    others: Tensor
    values: Tensor
    weight: Tensor

    def __init__(self, num_items: int, pairs: tuple[Tensor, Tensor, Tensor] | None, weight: float) -> None:
        super().__init__()
        none = torch.zeros(num_items, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), torch.zeros(0)
        for name, value in zip(("counts", "others", "values"), none if pairs is None else pairs, strict=True):
            self.register_buffer(name, value)
        self.register_buffer("weight", torch.tensor(weight))
        self.register_load_state_dict_pre_hook(_make_room)  # type: ignore[no-untyped-call]

    def forward(self, items: Tensor, mask: Tensor, every: bool) -> "SparseScores":
        """For sessions of items (B, T) int64, mask (B, T), or for every prefix of them: a row for each, in order."""
        inside = prefixes(mask, every)
        session, prefix, position = inside.nonzero(as_tuple=True)  # (M,)
        item, newest = items[session, position] - 1, prefix if every else mask.sum(1)[session] - 1
        number = self.counts[item] if self.weight else torch.zeros_like(item)
        of = torch.arange(len(item), device=item.device).repeat_interleave(number)  # (K,), of the M
        begin = (self.counts.cumsum(0) - self.counts)[item] - (number.cumsum(0) - number)
        pair = torch.arange(len(of), device=of.device) + begin[of]
        value = self.weight * self.values[pair] / (newest - position + 1)[of]
        rows = rows_of_prefixes(mask, inside)
        where = torch.stack([rows[session, prefix][of], self.others[pair].long() - 1])
        size = (int(inside.any(2).sum()), len(self.counts))
        total = torch.sparse_coo_tensor(where, value, size, check_invariants=False).coalesce()
        row, column = total.indices()
        return SparseScores(row, column, total.values())

    def clear(self) -> None:
        """Forget the pairs, where they add nothing."""
        self.counts.zero_()
        self.others, self.values = self.others[:0].clone(), self.values[:0].clone()

    @property
    def choice(self) -> "Choice | None":
        """See PositionTerm."""
        return None


class Choice(NamedTuple):
    """A number that is set when training is over (training/finish_terms.py). Scores must be linear in it."""

    number: Tensor
    """() float32, in the term."""
    setting: float | Literal["fit"]
    """Its value, or "fit": chosen by MRR@20 on validation sessions, and 0 where there are none."""
    step: float
    most: float
    """Values that are tried: multiples of `step` up to `most`."""
    signed: bool
    """Whether it may be negative."""
    key: str
    """Of the recipe."""


class SparseScores(NamedTuple):
    """M numbers that are added to some of the logits (B, N); each place comes once."""

    rows: Tensor
    """(M,) int64, from 0 to B - 1, ascending."""
    classes: Tensor
    """(M,) int64, from 0 to N - 1."""
    values: Tensor
    """(M,) float32."""

    def add_to(self, logits: Tensor) -> Tensor:
        """Add the numbers to logits (B, N) -> float32, in place where they are float32."""
        logits, index = logits.float(), (self.rows, self.classes)
        return logits.index_put_(index, logits[index] + self.values)


ScoreTerm = ItemTerm | PositionTerm | PairTerm


def _make_room(term: PairTerm, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
    """Take the number of pairs that are about to be loaded."""
    del rest
    for name in ("others", "values"):
        if prefix + name in state:
            setattr(term, name, torch.empty_like(state[prefix + name], device=term.counts.device))


def position_values(terms: Iterable[PositionTerm], states: Tensor, mask: Tensor, final: Tensor) -> list[Tensor]:
    """Of each term, what the positions of a session add: (B, P, T) float32, zeros outside the prefix.

    states (B, T, D), mask (B, T); final: z_final (B, D) of the sessions, P = 1, or (B, T, D) of every prefix, P = T.
    """
    inside = prefixes(mask, every=final.dim() == 3)
    if final.dim() == 2:
        newest, finals = mask.sum(1, keepdim=True) - 1, final[:, None]  # (B, 1), (B, 1, D)
    else:
        newest, finals = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape), final
    return [term(states, newest, finals) * inside for term in terms]


def prefixes(mask: Tensor, every: bool) -> Tensor:
    """Which positions each prefix has: mask (B, T) -> (B, 1, T), or (B, T, T) for every prefix."""
    if not every:
        return mask[:, None]
    position = torch.arange(mask.shape[1], device=mask.device)
    return mask[:, :, None] & (position <= position[:, None])  # the prefix that ends at i holds position j


def by_item(items: Tensor, mask: Tensor, values: Tensor) -> SparseScores:
    """Values of positions (B, P, T) summed by item, items (B, T): a row for each real prefix, one after another."""
    inside = prefixes(mask, every=values.shape[1] > 1)
    same = items[:, :, None] == items[:, None]  # (B, T, T)
    total = (values @ same.to(values.dtype)).float()  # (B, P, T): of all positions of that item
    first = ~(same & (torch.ones_like(same[0]).tril(-1))).any(2)  # (B, T): no earlier position has the item
    session, prefix, position = (inside & first[:, None]).nonzero(as_tuple=True)
    row = rows_of_prefixes(mask, inside)[session, prefix]
    return SparseScores(row, items[session, position] - 1, total[session, prefix, position])


def rows_of_prefixes(mask: Tensor, inside: Tensor) -> Tensor:
    """The number of each real prefix among all of them: mask (B, T), `prefixes` of it (B, P, T) -> (B, P)."""
    real = mask[:, : inside.shape[1]]
    return (real.flatten().cumsum(0) - 1).view(real.shape)
