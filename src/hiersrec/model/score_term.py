"""Score terms: what is added to the product of a query and an item's vector.

    score_i = query . vector_i + bias_i + sum over the score terms of term_i(session)

A term is one file in score_terms/, and nothing else knows it by name. The file has

    Config       frozen dataclass; its fields are keys of [[tasks]] item, as those of tasks/item.py are, so no two terms
                 may share one
    CONSTRAINTS  what its settings require (constraints.py), if anything
    build(config, catalog, width, max_length, train) -> the term, or None where the settings turn it off
    advice(config, data) -> lines that a person should read before training, if there are any

and the term is one of two kinds, which say where its values come from:

    ItemTerm      a constant of each item, added after training: the loss does without it, and so do tasks that read the
                  item task, and students of this model. A bundle keeps it as an array.
    PositionTerm  what each position of the session adds to the score of its own item, learnt with everything else. A
                  bundle has it as an output of the exported graph.

Reasons call a term by its `label`. Its tensors stand in the file of weights under the name of its file. One with a row
for each item gets zeros for items that are added later; what follows from the catalogue is better a constant
(buffers.py), made for the larger catalogue. In a warm start, parameters named in `position_rows` keep the rows of the
same positions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

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

    def finish(self, measure: Callable[[], float] | None) -> str | None:
        """Set what is not trained, when training is over; returns a line for people, if there is something to say.

        measure: MRR@20 of the model, with the term as it is then, on validation sessions; None where there are none.
        """
        del measure
        return None


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
    real = mask[:, : inside.shape[1]]
    row = (real.flatten().cumsum(0) - 1)[session * inside.shape[1] + prefix]
    return SparseScores(row, items[session, position] - 1, total[session, prefix, position])
