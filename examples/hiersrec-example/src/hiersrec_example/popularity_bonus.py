"""A bonus for items that were seen often in training."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from hiersrec.model.buffers import register_constant
from hiersrec.model.score_term import ItemTerm
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    popularity_bonus: Annotated[float, Ge(0)] = 0.0
    """Added to the score, times the logarithm of an item's interactions in training."""


def build(
    config: Config, catalog: Catalog, width: int, max_length: int, train: Sessions | None
) -> "PopularityBonus | None":
    """None where the setting is 0."""
    del width, max_length, train
    if not config.popularity_bonus:
        return None
    values = config.popularity_bonus * np.log1p(catalog.train_count[1:])
    return PopularityBonus(torch.from_numpy(values.astype(np.float32)))


class PopularityBonus(ItemTerm):
    """A constant of each item, which follows from the catalogue: so it is there for items that are added later, too."""

    label = "popularity bonus"

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        register_constant(self, "values", values)

    def forward(self) -> Tensor:
        return self.get_buffer("values")
