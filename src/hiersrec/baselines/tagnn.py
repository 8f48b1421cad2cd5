"""TAGNN: a graph of the session's items, to which every candidate item attends separately.

Paper: Yu et al., TAGNN: Target Attentive Graph Neural Networks for Session-based Recommendation, SIGIR 2020,
arxiv.org/abs/2005.02844. Official code: github.com/CRIPAC-DIG/TAGNN. The nodes are the session's different items, with
vectors x_i; an edge runs from each item to the next one, once for any number of times:

    a_i   = [mean over i's predecessors of W_in x ; mean over i's successors of W_out x]     (each + b, 0 without any)
    h_i   = GRU cell(input a_i, state x_i)                                                 (one step of SR-GNN)
    alpha = softmax over positions(q . sigmoid(W_1 h_last + W_2 h_i))
    u     = W [sum_i alpha_i h_i ; h_last]
    beta  = softmax over positions(v . W_t h_i)                                           (v: vector of any item)
    score_v = (u + sum_i beta_i h_i) . v

A repeated item is one node, but counts in both softmaxes as often as it occurs, as in the code. Deviations: both
softmaxes end with the session, the code's include its padding, so that its scores depend on the longest session of the
dataset; sessions are cut to the newest `max_length` items; the second biases of a_i are left out, since the GRU cell
has its own; the schedules of [training] replace the drop of the learning rate after every third epoch. As in
the code: no dropout, weights uniform within 1 / sqrt(D), L2 of 1e-5 (training.weight_decay).

Reported on Diginetica, HITS@20 / MRR@20 in percent. 51.31 / 18.03 on the standard split, from memory of the paper's
table 2, best test epoch; 26.43 / 7.85 on the HierSRec paper's own file, read at the source.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from hiersrec.baselines._target_attention import Reading, cross_entropy, scores
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of TAGNN."""

    width: Annotated[int, Ge(1)] = 100
    """D, of item vectors and states."""
    max_length: Annotated[int, Ge(1)] = 50
    """Most items of a session; the newest are kept."""


def build(config: Config, catalog: Catalog, train: Sessions | None) -> "Tagnn":
    """The untrained model; the training sessions are not needed to build it."""
    del train
    return Tagnn(catalog.num_items, config.width, config.max_length)


class Tagnn(Trainable):
    """Graph, session vector and target attention; see the top of the file."""

    def __init__(self, num_items: int, width: int, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.items = nn.Embedding(num_items + 1, width, padding_idx=0)
        self.predecessors = nn.Linear(width, width)  # W_in
        self.successors = nn.Linear(width, width)  # W_out
        self.cell = nn.GRUCell(2 * width, width)
        self.query = nn.Linear(width, width)  # W_1
        self.key = nn.Linear(width, width)  # W_2
        self.score = nn.Linear(width, 1, bias=False)  # q
        self.out = nn.Linear(2 * width, width)  # W
        self.target = nn.Linear(width, width, bias=False)  # W_t
        for weights in self.parameters():
            nn.init.uniform_(weights, -(width**-0.5), width**-0.5)

    def forward(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        return {"item": scores(self._read(items, lengths), self.items.weight[1:])}

    def loss(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        loss = cross_entropy(self._read(items, lengths), self.items.weight[1:], targets.items - 1)
        return loss, {"item": loss.detach()}

    def _read(self, items: Tensor, lengths: Tensor) -> Reading:
        node, counts, edges = graph(items)
        vectors = self.items(items)  # (B, T, D); only those at the first place of an item are read
        before = edges.transpose(1, 2) / edges.sum(1).clamp(min=1)[:, :, None]  # (B, T, T): mean over predecessors
        after = edges / edges.sum(2).clamp(min=1)[:, :, None]
        around = torch.cat([before @ self.predecessors(vectors), after @ self.successors(vectors)], -1)  # (B, T, 2 D)
        states = self.cell(around.flatten(0, 1), vectors.flatten(0, 1)).view(vectors.shape)  # (B, T, D)
        row = torch.arange(len(items), device=items.device)
        last = states[row, node[row, lengths - 1]]  # (B, D)
        log_counts = counts.log()  # (B, T): minus infinity where there is no node
        energy = self.score(torch.sigmoid(self.query(last)[:, None] + self.key(states)))[..., 0]  # (B, T)
        alpha = (energy + log_counts).softmax(-1)
        session = self.out(torch.cat([(alpha[:, None] @ states)[:, 0], last], -1))  # (B, D)
        others = counts[:, 1:] > 0  # (B, T - 1)
        values = (states[:, 1:] - states[:, :1])[others]  # (M, D)
        lines = torch.cat([self.target(values), values, session + states[:, 0]])
        return Reading(lines, (log_counts[:, 1:] - log_counts[:, :1])[others], others.sum(1))


def graph(items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Graphs of sessions (B, T); a node is at the first place of its item.

    Returns the node of each position (B, T) int64; how often each node's item occurs (B, T) float32, 0 without a node;
    and the edges (B, T, T) float32, 1 where an item came right before another. The node of padding is 0, meaningless.
    """
    real = items > 0
    same = (items[:, :, None] == items[:, None]) & real[:, None]  # (B, T, T)
    node = same.int().argmax(2)  # the first of equal ones
    position = torch.arange(items.shape[1], device=items.device)
    counts = same.sum(2).float() * (real & (node == position))
    steps = torch.zeros(same.shape, device=items.device).flatten(1)  # (B, T T)
    steps.scatter_add_(1, node[:, :-1] * items.shape[1] + node[:, 1:], real[:, 1:].float())
    return node, counts, steps.view(same.shape).clamp(max=1)
