"""Item -> vector, before the encoder (paper, eq. 1): concat(E^I, E^C, E^M).

E^I is an embedding of the item id. E^C is the sum of one embedding per category level. E^M is the concatenation of one
embedding per metadata column: of its value, or the mean over its words. A part that a dataset lacks takes no width.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from hiersrec.errors import BadRecipe
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [inputs] of a recipe."""

    item_width: Annotated[int, Ge(1)] = 128
    """d_I, width of the item id embedding."""
    category_width: Annotated[int, Ge(0)] = 128
    """d_C, width of the category embeddings; 0 leaves categories out of the input."""
    metadata_width: Annotated[int, Ge(0)] = 128
    """d_M, width of all metadata embeddings together; 0 leaves metadata out."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Probability of zeroing a number of the input vector."""


class Inputs(nn.Module):
    """Items (B, T) int -> vectors (B, T, D). `width` is D, `item_table` the (N + 1, d_I) embedding E^I."""

    def __init__(self, config: Config, catalog: Catalog) -> None:
        super().__init__()
        self.item_table = _table(catalog.num_items + 1, config.item_width)
        self.width = config.item_width
        self.level_tables = nn.ModuleList()
        if config.category_width and catalog.levels:
            self.width += config.category_width
            self.level_tables.extend(_table(level.num_nodes + 1, config.category_width) for level in catalog.levels)
            self.register_buffer("item_nodes", torch.from_numpy(catalog.item_nodes.astype("int64")))
        self.feature_tables = nn.ModuleList()
        if config.metadata_width and catalog.features:
            self.width += config.metadata_width
            for at, (feature, width) in enumerate(zip(catalog.features, _shares(config, catalog), strict=True)):
                self.feature_tables.append(_table(feature.vocabulary, width))
                self.register_buffer(f"tokens_{at}", torch.from_numpy(feature.tokens.astype("int64")))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, items: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, D); padding (0) gives zeros."""
        parts = [self.item_table(items)]
        if self.level_tables:
            nodes = self.get_buffer("item_nodes")[items]  # (B, T, L)
            parts.append(sum(table(nodes[..., level]) for level, table in enumerate(self.level_tables)))
        for at, table in enumerate(self.feature_tables):
            tokens = self.get_buffer(f"tokens_{at}")[items]  # (B, T, W)
            count = (tokens > 0).sum(-1, keepdim=True).clamp(min=1)
            parts.append(table(tokens).sum(-2) / count)
        vectors: Tensor = self.dropout(torch.cat(parts, -1))  # (B, T, D)
        return vectors


def _table(rows: int, width: int) -> nn.Embedding:
    table = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        table.weight[1:].normal_(std=width**-0.5)
    return table


def _shares(config: Config, catalog: Catalog) -> list[int]:
    """d_M divided over the metadata columns; the first ones get what does not divide."""
    count = len(catalog.features)
    if config.metadata_width < count:
        raise BadRecipe(
            f"[inputs] metadata_width must be at least 1 for each of the {count} metadata columns, got "
            f"{config.metadata_width}. Make it larger, or 0 to leave metadata out."
        )
    least, more = divmod(config.metadata_width, count)
    return [least + (at < more) for at in range(count)]
