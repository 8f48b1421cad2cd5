"""Label smoothing inside the category: a share of the target goes, evenly, to the items of the target's category.

    q(j) = [c(j) = c(y)] / |c(y)|         c: the finest category of an item

Whoever looks at one chair would have looked at many another: a click picks one item, but says much more of the
category than of the items in it. Label smoothing: Szegedy et al., CVPR 2016. Labels spread along a tree of classes:
Bertinetto et al., Making Better Mistakes, CVPR 2020.
"""

from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hiersrec.constraints import above, equals, requires
from hiersrec.model.buffers import register_constant
from hiersrec.model.row_blocks import blocks
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import Expected
from hiersrec.model.targets import Targets
from hiersrec.store.catalog import Catalog
from hiersrec.types import Int64


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of [[tasks]] item."""

    smoothing: Annotated[float, Ge(0), Le(1)] = 0.0
    """Share of the target that goes, evenly, to the items of its finest category (model/soft_targets/smoothing.py)."""


CONSTRAINTS = (
    requires(
        above("tasks.item.smoothing", 0),
        equals("tasks.item.softmax", "full"),
        "its means are of all items of a category, and the loss of the others reads drawn items only",
    ),
)


def build(config: Config, catalog: Catalog) -> "Smoothing | None":
    """None also where the catalogue has no categories."""
    if not (config.smoothing and catalog.levels):
        return None
    return Smoothing(config.smoothing, catalog.item_nodes[1:, -1].astype(np.int64))


class Smoothing(nn.Module):
    """A SoftTarget. share: from 0 to 1; nodes: (N,) int64, the category of each item.

    A node that stands for an unknown category is one like the others: its items have the same known parent.
    """

    def __init__(self, share: float, nodes: Int64) -> None:
        super().__init__()
        self.share = share
        register_constant(self, "node", torch.from_numpy(nodes))
        size = np.bincount(nodes)
        register_constant(self, "size", torch.from_numpy(size.clip(1)))

    def forward(
        self, targets: Targets, vectors: Tensor, biases: Tensor | None, sparse: SparseScores | None
    ) -> Expected:
        category = self._category(targets)
        return Expected(
            share=self.share,
            vector=self._means(vectors, category),
            bias=None if biases is None else self._means(biases[:, None], category)[:, 0],
            of_sparse=None if sparse is None else self._inside(sparse, category),
        )

    def _category(self, targets: Targets) -> Tensor:
        """Of what followed: (B,)."""
        return self.get_buffer("node")[(targets.items - 1).clamp(min=0)]

    def _means(self, vectors: Tensor, category: Tensor) -> Tensor:
        """The mean of a category's rows of (N, d), for the categories (B,) -> (B, d) float32."""
        node, size = self.get_buffer("node"), self.get_buffer("size")
        total = _totals(vectors, node, len(size))
        return functional.embedding(category, total / size[:, None])

    def _inside(self, sparse: SparseScores, category: Tensor) -> Tensor:
        """The even share of each sparse score's item if its example has the category of the item, else 0: (M,)."""
        node = self.get_buffer("node")[sparse.classes]
        return (category[sparse.rows] == node).float() / self.get_buffer("size")[node]


def _totals(vectors: Tensor, group: Tensor, groups: int) -> Tensor:
    """Vectors (N, d), a group of each (N,) from 0 and the number of groups G -> their sums (G, d) float32."""
    return cast("Tensor", _Totals.apply(vectors, group, groups))  # type: ignore[no-untyped-call]


class _Totals(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, group: Tensor, groups: int) -> Tensor:
        ctx.save_for_backward(group)
        ctx.dtype = vectors.dtype
        total = torch.zeros(groups, vectors.shape[1], device=vectors.device)
        for block in blocks(vectors):
            total.index_add_(0, group[block], vectors[block].float())
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return functional.embedding(ctx.saved_tensors[0], gradient.to(ctx.dtype)), None, None
