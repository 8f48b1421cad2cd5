"""Next category at one level of the tree (paper, eq. 2 and 5): logits over the known categories of that level."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from hiersrec.errors import BadRecipe
from hiersrec.model.losses import UNLABELLED, cross_entropy
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "category" may say."""

    level: Literal["all"] | Annotated[int, Ge(1)] = "all"
    """Level of the tree, from 1 (coarse); "all" makes one task for each level the dataset has."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """The tasks that one table of the recipe stands for, by name: "category_1", "category_2", ..."""
    depth = len(catalog.levels)
    if config.level == "all":
        return {f"category_{level}": Config(level=level) for level in range(1, depth + 1)}
    if config.level > depth:
        raise BadRecipe(f"[[tasks]] category: the dataset has {depth} levels, got level = {config.level}.")
    return {f"category_{config.level}": config}


def build(config: Config, catalog: Catalog, width: int, item_table: nn.Embedding) -> "CategoryTask":
    """The head for one level."""
    del item_table
    assert config.level != "all", "members() resolves the levels"
    at = config.level - 1
    return CategoryTask(width, config.level, torch.from_numpy(catalog.item_nodes[:, at]), catalog.levels[at].num_known)


class CategoryTask(nn.Module):
    """FC_Ct: state (B, D) -> logits (B, C); class c is node c + 1. `nodes` (N + 1,) is the node of each item."""

    def __init__(self, width: int, level: int, nodes: Tensor, num_known: int) -> None:
        super().__init__()
        self.level = level
        self.num_classes = num_known
        self.fc = nn.Linear(width, num_known)
        labels = torch.where(nodes.long() <= num_known, nodes.long() - 1, UNLABELLED)
        self.register_buffer("class_of_item", labels)

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        logits: Tensor = self.fc(state)
        return logits

    def loss(self, state: Tensor, target_items: Tensor) -> Tensor:
        """Eq. 5 for next items (B,); items whose category at this level is unknown do not train."""
        return cross_entropy(state, self.fc.weight, self.fc.bias, self.get_buffer("class_of_item")[target_items])
