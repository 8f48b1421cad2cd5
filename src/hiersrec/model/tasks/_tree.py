"""Next path of the category tree: one distribution, from which the probabilities of every level follow.

    logit(path) = g(state) . sum of V_node + sum of b_node    over the nodes of the path; g is one hidden layer
    P(node)     = sum of P(path)                              over the paths through the node (store/paths.py)

Paths that share nodes share their vectors, as items share embeddings in eq. 1. "Ends here" is a node under its parent,
and "no category" one at the root, so the paths of all items are classes and every level adds up.

The items know more of the next category than a head that learns from the categories of clicked items does. So this one
learns nothing while the model is trained; training/fit_tree.py fits it afterwards, to the probabilities of the items
summed by path.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.buffers import register_constant
from hiersrec.store.catalog import Catalog
from hiersrec.store.paths import nodes_of_paths

HIDDEN = 512
"""Width of the hidden layer. On Wikispeedia 256 reached 0.9915 of the items' MRR at level 2, and 512 0.9956."""
UNKNOWN = -1e4
"""Logit of a path that the head was not fitted to, of items that were added later. A number, not minus infinity, so
that a graph with it can be compared with the model."""


class TreeHead(nn.Module):
    """State (B, D) -> logits (B, P) of the paths; class p is the finest node p + 1."""

    def __init__(self, width: int, catalog: Catalog) -> None:
        super().__init__()
        levels = catalog.levels
        self.num_classes = levels[-1].num_nodes
        self.hidden = nn.Linear(width, HIDDEN)
        self.vectors = nn.ModuleList(_table(level.num_nodes + 1, HIDDEN) for level in levels)
        self.biases = nn.ModuleList(_table(level.num_nodes + 1, 1) for level in levels)
        register_constant(self, "nodes", torch.from_numpy(nodes_of_paths(levels)[1:].astype("int64")))  # (P, L)
        register_constant(self, "path_of_item", torch.from_numpy(catalog.item_nodes[1:, -1].astype("int64") - 1))
        # (P,): the paths it was fitted to. Rows of paths that are added to a finished run are zeros, so false.
        self.register_buffer("fitted", torch.zeros(self.num_classes, dtype=torch.bool))
        self.requires_grad_(False)

    @property
    def is_fitted(self) -> bool:
        """Whether it predicts anything yet."""
        return bool(self.get_buffer("fitted").any())

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, P)."""
        nodes = self.get_buffer("nodes")
        vectors = torch.stack([table(nodes[:, level]) for level, table in enumerate(self.vectors)]).sum(0)
        biases = torch.stack([table(nodes[:, level]) for level, table in enumerate(self.biases)]).sum(0)
        logits = functional.linear(torch.relu(self.hidden(state)), vectors, biases[:, 0])
        return logits.masked_fill(~self.get_buffer("fitted"), UNKNOWN)

    def path_probs(self, item_probs: Tensor) -> Tensor:
        """Probabilities of items (B, N) summed by path: (B, P)."""
        sums = item_probs.new_zeros(len(item_probs), self.num_classes)
        return sums.index_add(1, self.get_buffer("path_of_item"), item_probs)


def _table(rows: int, width: int) -> nn.Embedding:
    table = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        nn.init.normal_(table.weight[1:], std=0.5 * width**-0.5)
    return table
