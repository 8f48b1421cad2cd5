"""STAMP: attention over a session steered by its last item and its mean, times the last item. Pool with "last".

Paper: Liu et al., STAMP: Short-Term Attention/Memory Priority Model, KDD 2018, doi.org/10.1145/3219819.3219950.
Official code: github.com/uestcnlp/STAMP. For the prefix that ends at item t:

    m_s = mean(x_1 .. x_t)      m_t = x_t
    a_i = w_0 . sigmoid(W_1 x_i + W_2 m_t + W_3 m_s + b)         (no softmax)
    m_a = sum_{i <= t} a_i x_i + m_s
    h_s = tanh(W_a m_a)         h_t = tanh(W_b m_t)
    state_t = h_s * h_t                                          (score_k = E_k . state_t: the trilinear product)

Follows the code where it differs from the paper: m_s is added to m_a, and the two tanh layers have no bias. b is the
paper's, the code leaves it out. No dropout, as in the code. Deviation: the code cuts item vectors that it reads to a
length of 1.5; here they are made of id, category and metadata and stay as they are. Weights start as torch draws them,
with a standard deviation of 1 / sqrt(3 D), at the code's D = 100 0.058 (code: 0.05).

The attention holds B * T * T * D numbers, for every t and not only the last.

Reported on Diginetica, HITS@20 / MRR@20 in percent. [R] read at the source, [Q] quoted by others. 45.64 / 14.32 on the
standard split [Q, MGCOT, table 2]; 46.90 / 14.99 on session-rec's single split [R, rn5l/session-rec,
docs/tables_single]; 25.45 / 7.17 on the HierSRec paper's own file [R]. Below NARM is the common result of others' runs.
The authors' 62.04 / 27.39 [R, their stored log] comes from clicks in the wrong order.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [encoder] of a recipe whose name is "stamp"."""

    max_length: Annotated[int, Ge(1)] = 50
    """Longest session; of longer ones the newest items are kept."""


def build(config: Config, width: int) -> "Stamp":
    """The encoder for vectors of `width` D; its states have the same width."""
    return Stamp(config.max_length, width)


class Stamp(nn.Module):
    """Vectors (B, T, D) and mask (B, T) -> states (B, T, D); a state has read its own item and the earlier ones."""

    causal = True

    def __init__(self, max_length: int, width: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.item = nn.Linear(width, width)  # W_1 and b
        self.last = nn.Linear(width, width, bias=False)  # W_2
        self.mean = nn.Linear(width, width, bias=False)  # W_3
        self.score = nn.Linear(width, 1, bias=False)  # w_0
        self.long_term = nn.Linear(width, width, bias=False)  # W_a
        self.short_term = nn.Linear(width, width, bias=False)  # W_b

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The mask is not needed: padding stands last, where no real item reads it."""
        length = torch.arange(1, mask.shape[1] + 1, device=vectors.device).unsqueeze(1)  # (T, 1)
        mean = vectors.cumsum(1) / length  # (B, T, D)
        query = self.last(vectors) + self.mean(mean)
        pairs = torch.sigmoid(query.unsqueeze(2) + self.item(vectors).unsqueeze(1))  # (B, T, T, D)
        weights = self.score(pairs)[..., 0].tril()  # (B, T, T): of item i in the prefix that ends at t, 0 if later
        memory = weights @ vectors + mean
        return torch.tanh(self.long_term(memory)) * torch.tanh(self.short_term(vectors))
