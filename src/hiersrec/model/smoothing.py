"""Label smoothing inside the category: a share of the right answer goes, evenly, to the items of its category.

    target(j) = (1 - share) [j = y] + share / |c(y)| [c(j) = c(y)]         c: the finest category of an item

    -sum_j target(j) log P(j) = -log P(y) + share * (s_y - mean of s_j over the items j of c(y))

s are the scores whose softmax is P: the logarithm of its sum is the same for all items, so of the smoothing there stays
a difference of scores, which asks for one vector a category, the mean of its items', and not for all items again.

Whoever looks at one chair would have looked at many another: a click picks one item, but says much more of the
category than of the items in it. Label smoothing: Szegedy et al., CVPR 2016. Labels spread along a tree of classes:
Bertinetto et al., Making Better Mistakes, CVPR 2020.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.constants import register_constant
from hiersrec.model.losses import divisor
from hiersrec.model.repeats import Addends
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

        Queries (B, d), vectors (N, d), biases (N,) or None; next items (B,) from 1, 0 where none is known; addends:
        numbers that some scores have besides.
        """
        node, size = self.get_buffer("node"), self.get_buffer("size")
        labelled, places = items > 0, (items - 1).clamp(min=0)
        weight = self.share * labelled.float() / divisor(labelled)  # (B,)
        category = node[places]
        mean = torch.zeros(len(size), vectors.shape[1], device=vectors.device).index_add(0, node, vectors.float())
        mean = mean / size[:, None]  # (C, d)
        # Not vectors[places]: on several threads the gradient of indexing adds up in no fixed order.
        apart = functional.embedding(places, vectors.float()) - functional.embedding(category, mean)  # (B, d)
        found = (weight * (query.float() * apart).sum(-1)).sum()
        if biases is not None:
            bias = biases.float()
            means = torch.zeros(len(size), device=bias.device).index_add(0, node, bias) / size  # (C,)
            right, rest = functional.embedding(places, bias[:, None]), functional.embedding(category, means[:, None])
            found = found + (weight * (right - rest)[:, 0]).sum()
        if addends is not None:
            of_class = node[addends.classes]  # (M,)
            is_right, inside = places[addends.rows] == addends.classes, category[addends.rows] == of_class
            part = is_right.float() - inside.float() / size[of_class]
            found = found + (weight[addends.rows] * part * addends.values).sum()
        return found
