"""What the session's items add to the scores of items that stood near them in training sessions.

    term(j)    = weight * sum over the session's items i of log(1 + near(i, j) / FLOOR) / place(i)
    near(i, j) = 1 / count(i) * sum, over all pairs of positions of i and j in one training session that are at most
                 WINDOW apart, of 1 / (1 + distance)

The newest item has place 1. On Diginetica it helps where validation sessions come later than those that were trained
on, the more the fewer these were, and with items that the session does not have yet (docs/log/2026-12-01.md); on
sessions of all times it adds little or nothing. So the weight is chosen on validation sessions, when training is over:
learnt in training it would trust the pairs too much, as they hold the very sessions.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from scipy import sparse
from torch import Tensor

from hiersrec.model.score_term import Choice, PairTerm
from hiersrec.store.catalog import Catalog
from hiersrec.store.item_pairs import greatest_of_each, item_pairs
from hiersrec.store.sessions import Sessions

WINDOW = 5
"""Greatest distance of two positions that count as near; 20 gives no more."""
MOST_PAIRS = 30
"""Others of an item, the nearest; all of them give little more."""
FLOOR = 0.01
STEP, MOST = 0.1, 1.0
"""Weights that are tried."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    cooccurrence: Annotated[float, Ge(0), Le(10)] | Literal["fit"] = 0.0
    """Weight of what stood near the session's items in training sessions, added to the scores after training
    (model/score_terms/cooccurrence.py): a number, or "fit", which chooses it on validation sessions and is 0 in a
    refit, which has none."""


def build(
    config: Config, catalog: Catalog, width: int, max_length: int, train: Sessions | None
) -> "Cooccurrence | None":
    """The term from the training sessions; without pairs, for weights to be loaded into, where those are None."""
    del width, max_length
    if not config.cooccurrence:
        return None
    pairs = None if train is None else nearest(catalog.num_items, train)
    return Cooccurrence(catalog.num_items, pairs, config.cooccurrence)


class Cooccurrence(PairTerm):
    """Nothing as long as its weight is not chosen."""

    label = "cooccurrence"

    def __init__(
        self, num_items: int, pairs: tuple[Tensor, Tensor, Tensor] | None, weight: float | Literal["fit"]
    ) -> None:
        super().__init__(num_items, pairs, 0.0 if weight == "fit" else weight)
        self.chosen = weight

    @property
    def choice(self) -> Choice:
        return Choice(self.weight, self.chosen, STEP, MOST, signed=False, key="tasks.item.cooccurrence")


def nearest(num_items: int, train: Sessions) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of a PairTerm: the MOST_PAIRS nearest others of each item, nearest first, and their logarithms.

    Of equally near ones those with the lower numbers are taken.
    """
    near = item_pairs(train, num_items, WINDOW, lambda distance: 1 / (1 + distance), with_itself=False)
    events = np.maximum(np.bincount(train.items, minlength=num_items + 1), 1)
    of, others, value = greatest_of_each((sparse.diags_array(1 / events) @ near).tocoo(), MOST_PAIRS)
    counts = np.bincount(of, minlength=num_items + 1)[1:]
    return torch.from_numpy(counts), torch.from_numpy(others), torch.from_numpy(np.log1p(value / FLOOR)).float()
