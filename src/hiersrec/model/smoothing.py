"""Label smoothing inside the category: a share of the right answer goes, evenly, to the items of its category.

    target(j) = (1 - share) [j = y] + share / |c(y)| [c(j) = c(y)]         c: the finest category of an item

Whoever looks at one chair would have looked at many another: a click picks one item, but says much more of the
category than of the items in it. Label smoothing: Szegedy et al., CVPR 2016. Labels spread along a tree of classes:
Bertinetto et al., Making Better Mistakes, CVPR 2020.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.buffers import register_constant
from hiersrec.model.repeats import Addends
from hiersrec.model.soft_labels import Expected, shared_out
from hiersrec.types import Int64


class Smoothing(nn.Module):
    """What smoothing adds to the cross-entropy. share: from 0 to 1; nodes: (N,) int64, the category of each item.

    A node that stands for an unknown category is one like the others: its items have the same known parent.
    """

    def __init__(self, share: float, nodes: Int64) -> None:
        super().__init__()
        self.share = share
        register_constant(self, "node", torch.from_numpy(nodes))
        register_constant(self, "size", torch.from_numpy(np.bincount(nodes).clip(1)))

    def forward(
        self, query: Tensor, vectors: Tensor, biases: Tensor | None, items: Tensor, addends: Addends | None
    ) -> Tensor:
        """Mean over the examples with a label of share * (s_y - mean of its category) -> scalar float32.

        What it is given is that of soft_labels.shared_out.
        """
        category = self.get_buffer("node")[(items - 1).clamp(min=0)]  # (B,)
        expected = Expected(
            vector=self._means(vectors, category),
            bias=None if biases is None else self._means(biases[:, None], category)[:, 0],
            of_addends=None if addends is None else self._inside(addends, category),
        )
        return shared_out(self.share, query, vectors, biases, items, addends, expected)

    def _means(self, vectors: Tensor, category: Tensor) -> Tensor:
        """The mean of a category's rows of (N, d), for the categories (B,) -> (B, d)."""
        node, size = self.get_buffer("node"), self.get_buffer("size")
        total = torch.zeros(len(size), vectors.shape[1], device=vectors.device).index_add(0, node, vectors.float())
        return functional.embedding(category, total / size[:, None])

    def _inside(self, addends: Addends, category: Tensor) -> Tensor:
        """The even share of each addend's item, if its example's category is that of the item, else 0: (M,)."""
        of_item = self.get_buffer("node")[addends.classes]
        return (category[addends.rows] == of_item).float() / self.get_buffer("size")[of_item]
