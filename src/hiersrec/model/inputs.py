"""Item -> vector, before the encoder (paper, eq. 1): concat(E^I, E^C, E^M).

E^I is an embedding of the item id. E^C is the sum of one embedding per category level. E^M is the concatenation of one
part per metadata column: the embedding of its value, the mean over its words, or its vector, projected. A part that a
dataset lacks takes no width.

With `neighbours`, E^I is the item's own embedding plus a learnt share of the embeddings of items that stood near it in
training sessions (neighbours.py): what is learnt of an item is learnt of similar ones too.

With `id_dropout`, each training step treats a random share of the catalogue as items that nobody has seen: their E^I is
zero in the sessions and in the item head alike, as it is for items that are added to a trained run. Items that no
training session has get a zero E^I too: they would only be learnt as wrong. Where ids are all that is known of items,
nothing is dropped.
"""

from dataclasses import dataclass
from typing import Annotated, Self, cast

import numpy as np
import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.config import SHAPES, ModelRecipe
from hiersrec.constraints import above, requires
from hiersrec.errors import BadRecipe
from hiersrec.model.buffers import register_constant
from hiersrec.model.dropout import Dropout
from hiersrec.model.item_graph import ItemGraph
from hiersrec.model.neighbours import nearest
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.sessions import Sessions

SHARE = 0.5
"""Initial share of the neighbours."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [inputs] of a recipe."""

    item_width: Annotated[int, Ge(0), SHAPES] = 128
    """d_I, width of the item id embedding; 0 leaves ids out of the input."""
    category_width: Annotated[int, Ge(0), SHAPES] = 128
    """d_C, width of the category embeddings; 0 leaves categories out of the input."""
    metadata_width: Annotated[int, Ge(0), SHAPES] = 128
    """d_M, width of all metadata columns together; 0 leaves metadata out."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Probability of zeroing a number of the input vector."""
    neighbours: Annotated[int, Ge(0), SHAPES] = 0
    """Most items near an item in training sessions that flow into its E^I; 0 for none."""
    id_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the catalogue's items, drawn at each training step, that have no E^I in that step; ignored where items
    have nothing else."""

    def content_width(self, catalog: Catalog) -> int:
        """Width of E^C and E^M together: 0 where all that is known of the items is their ids."""
        categories = self.category_width if catalog.levels else 0
        return categories + (self.metadata_width if catalog.features else 0)


def config_of(recipe: ModelRecipe) -> Config:
    """The settings of the inputs of a recipe."""
    return cast("Config", recipe.inputs)


CONSTRAINTS = (
    requires(
        above("inputs.neighbours", 0), above("inputs.item_width", 0), "neighbours flow into the item id embedding"
    ),
)


class Inputs(nn.Module):
    """Items (B, T) int -> vectors (B, T, D). `width` is D = d_I + `content_width`, d_I being `item_width`.

    `item_table` is the (N + 1, d_I) embedding E^I. train: the sessions that are trained on, which say what items are
    near and what items there are; None where weights are loaded, which do.
    """

    def __init__(self, config: Config, catalog: Catalog, train: Sessions | None = None) -> None:
        super().__init__()
        self.num_items = catalog.num_items
        self.item_table = _table(catalog.num_items + 1, config.item_width)
        self.item_width = config.item_width
        self.graph: ItemGraph | None = None
        if config.neighbours:
            edges = None if train is None else nearest(catalog.num_items, train, config.neighbours)
            self.graph = ItemGraph(catalog.num_items + 1, edges)
            self.neighbour_share = nn.Parameter(torch.tensor(SHARE))
        self._mixed: Tensor | None = None
        self.content_width = config.content_width(catalog)
        self.level_tables = nn.ModuleList()
        if config.category_width and catalog.levels:
            self.level_tables.extend(_table(level.num_nodes + 1, config.category_width) for level in catalog.levels)
            register_constant(self, "item_nodes", torch.from_numpy(catalog.item_nodes.astype("int64")))
        self.feature_tables = nn.ModuleList()
        if config.metadata_width and catalog.features:
            for column, (feature, width) in enumerate(zip(catalog.features, _shares(config, catalog), strict=True)):
                table = _projection(feature, width) if feature.is_vector else _table(feature.vocabulary, width)
                self.feature_tables.append(table)
                register_constant(self, f"tokens_{column}", _values(feature))
        self.width = self.item_width + self.content_width
        if not self.width:
            raise BadRecipe(
                "[inputs] has no ids (item_width is 0) and nothing else: the dataset has "
                f"{len(catalog.levels)} category levels and {len(catalog.features)} metadata columns, and "
                "category_width and metadata_width say which are used. Prepare with --items, or give item_width."
            )
        self.dropout = Dropout(config.dropout)
        self.id_dropout = config.id_dropout if self.content_width else 0.0
        self._kept: Tensor | None = None
        seen = None
        if self.id_dropout and train is not None:
            seen = torch.from_numpy(np.bincount(train.items, minlength=catalog.num_items + 1) > 0)  # (N + 1,)
            with torch.no_grad():
                self.item_table.weight[~seen] = 0
        register_constant(self, "seen", seen)
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, items: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, D); padding (0) gives zeros. In training this draws the items without E^I."""
        if self.training:
            self._mixed = None
        if self.training and self.id_dropout:
            rows = self.item_table.num_embeddings
            self._kept = torch.rand(rows, device=items.device) >= self.id_dropout  # (N + 1,)
            if self.seen is not None:
                self._kept &= self.get_buffer("seen")
        parts = [self.id_vectors(items)]
        if self.content_width:
            parts.append(self.content(items))
        vectors: Tensor = self.dropout(torch.cat(parts, -1))  # (B, T, D)
        return vectors

    def id_vectors(self, items: Tensor | None = None) -> Tensor:
        """E^I of items (...), or of all N: (..., d_I). In training, zeros for those that the last forward() drew."""
        reads_rows = items is not None and self.item_table.sparse and torch.is_grad_enabled()
        if self.graph is not None and not reads_rows:
            mixed = self._with_neighbours(self.graph)
            if items is None:
                return mixed
            # A sparse gradient: it would otherwise be an array of all items, mostly zeros.
            rows = functional.embedding((items - 1).clamp(min=0), mixed, sparse=True)
            return rows * (items > 0)[..., None]
        vectors: Tensor
        if items is None:
            vectors = self.item_table.weight[1:]  # no gather: the gradient of a slice costs less
        elif self.graph is None:
            vectors = self.item_table(items)
        else:
            vectors = self._rows_with_neighbours(self.graph, items)
        if not (self.training and self._kept is not None):
            return vectors
        kept = self._kept[1:] if items is None else self._kept[items]
        return vectors * kept[..., None]  # not rescaled: an item has its E^I or, when it is new, none

    def _with_neighbours(self, graph: ItemGraph) -> Tensor:
        """(N, d_I): made once a step in training, from the last forward() on, and once for all in inference."""
        if self._mixed is None or (torch.is_grad_enabled() and not self.training):
            kept = self._kept if self.training else None
            self._mixed = graph.mixed(self.item_table.weight, self.neighbour_share, kept)
        return self._mixed

    def _rows_with_neighbours(self, graph: ItemGraph, items: Tensor) -> Tensor:
        """Rows of `_with_neighbours` for items (...), reading only those rows and their neighbours': (..., d_I)."""
        rows, places = torch.unique(items, return_inverse=True)
        part = graph.part(rows)
        # Each row once, so that few gradients have to be added up. Row 0 is padding, whose gradient is zero: no encoder
        # reads it.
        needed = functional.embedding(part.needed, self.item_table.weight, sparse=True)  # (R, d_I)
        return functional.embedding(places, part.mixed(needed, self.neighbour_share))

    def train(self, mode: bool = True) -> Self:
        """Weights may have changed since the last time."""
        if mode != self.training:
            self._mixed = None
        return super().train(mode)

    def use_sparse_gradients(self) -> None:
        """From now on gradients of E^I hold only the rows that a step reads; it must not read all N then."""
        self.item_table.sparse = self.item_width > 0

    def level_vectors(self, level: int) -> Tensor:
        """E^C of the nodes of a level (from 1): (num_nodes, d_C), the known ones first. Needs `level_tables`."""
        table = self.level_tables[level - 1]
        assert isinstance(table, nn.Embedding), "a ModuleList does not tell"
        return table.weight[1:]

    def content(self, items: Tensor | None = None) -> Tensor:
        """[E^C ; E^M] of items (...), or of all N: (..., content_width); all that is known of an item without E^I."""
        rows = slice(1, None) if items is None else items
        parts: list[Tensor] = []
        if self.level_tables:
            nodes = self.get_buffer("item_nodes")[rows]  # (..., L)
            levels = [table(nodes[..., level]) for level, table in enumerate(self.level_tables)]
            parts.append(torch.stack(levels).sum(0))  # (..., d_C)
        for column, table in enumerate(self.feature_tables):
            values = self.get_buffer(f"tokens_{column}")[rows]  # (..., W)
            parts.append(_mean(table.weight, values) if isinstance(table, nn.Embedding) else table(values))
        return torch.cat(parts, -1)


def _forget(inputs: Inputs, _: object) -> None:
    """What was made of the weights before others were loaded."""
    inputs._mixed = None


def _table(rows: int, width: int) -> nn.Embedding:
    table = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        nn.init.normal_(table.weight[1:], std=max(1, width) ** -0.5)
    return table


def _projection(feature: Feature, width: int) -> nn.Linear:
    """W numbers -> width; without a bias, so that a missing vector stays zeros."""
    projection = nn.Linear(feature.values.shape[1], width, bias=False)
    nn.init.normal_(projection.weight, std=width**-0.5)  # a vector of length 1 comes out as long as an embedding
    return projection


def _values(feature: Feature) -> Tensor:
    """Tokens (N + 1, W) int64; or vectors (N + 1, W) float32, which prepare has brought to length 1."""
    if feature.is_vector:
        return torch.from_numpy(np.array(feature.values))  # a copy: the catalogue's is a read-only memory map
    return torch.from_numpy(feature.values.astype("int64"))


def _mean(table: Tensor, tokens: Tensor) -> Tensor:
    """Mean embedding of the tokens that are not 0: (..., W) int64 -> (..., width); zeros where there is none."""
    # Not table[tokens].mean: that would hold W vectors of each item at once.
    bags = functional.embedding_bag(tokens.reshape(-1, tokens.shape[-1]), table, mode="mean", padding_idx=0)
    return bags.view(*tokens.shape[:-1], -1)


def _shares(config: Config, catalog: Catalog) -> list[int]:
    """d_M divided over the metadata columns; the first ones get what does not divide."""
    count = len(catalog.features)
    if config.metadata_width < count:
        raise BadRecipe(
            f"[inputs] metadata_width must be at least 1 for each of the {count} metadata columns, got "
            f"{config.metadata_width}. Make it larger, or 0 to leave metadata out."
        )
    least, more = divmod(config.metadata_width, count)
    return [least + (column < more) for column in range(count)]
