"""NARM: a GRU whose last state looks back at all earlier ones. Pool with "last" for the paper's model.

Paper: Li et al., Neural Attentive Session-based Recommendation, CIKM 2017, arxiv.org/abs/1711.04725.
Official code: github.com/lijingsdu/sessionRec_NARM. For the prefix that ends at item t:

    h_1 .. h_t = GRU(dropout(x_1) .. dropout(x_t))                  (global encoder; h_t is its answer)
    e_j        = v . sigmoid(A_1 h_t + A_2 h_j)
    local_t    = sum_{j <= t} softmax_{j <= t}(e)_j h_j             (local encoder)
    state_t    = B dropout([local_t ; h_t])                         (B of the bilinear decoder: score_k = E_k . state_t)

Follows the code where it differs from the paper, whose attention has no softmax. Deviations: the sigmoids are logistic,
the code's are piecewise linear ("hard"). torch.nn.GRU resets after the product with the recurrent weights and gives it
a bias, the code resets before. Recurrent weights start orthogonal and GRU biases at zero, as in the code, the others as
torch draws them. All widths are D (code: 50 for items, 100 for the GRU). E is the item task's affair.

The attention holds B * T * T * D numbers, for every t and not only the last.

Reported on Diginetica, HITS@20 / MRR@20 in percent. [R] read at the source, [Q] quoted by others. 49.70 / 16.17 on the
standard split [Q, MGCOT, table 2]; 49.79 / 15.85 on session-rec's single split [R, rn5l/session-rec,
docs/tables_single]; 29.93 / 7.51 on the HierSRec paper's own file [R]. The authors' 62.58 / 27.35 comes from clicks in
the wrong order [R, issues of CRIPAC-DIG/SR-GNN].
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from hiersrec.model.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [encoder] of a recipe whose name is "narm"."""

    max_length: Annotated[int, Ge(1)] = 50
    """Longest session; of longer ones the newest items are kept."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.25
    """On the input vectors."""
    output_dropout: Annotated[float, Ge(0), Lt(1)] = 0.5
    """On the local and global state, before B."""


def build(config: Config, width: int) -> "Narm":
    """The encoder for vectors of `width` D; its states have the same width."""
    return Narm(config, width)


class Narm(nn.Module):
    """Vectors (B, T, D) and mask (B, T) -> states (B, T, D); a state has read its own item and the earlier ones."""

    causal = True

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.input_dropout = Dropout(config.input_dropout)
        self.output_dropout = Dropout(config.output_dropout)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.query = nn.Linear(width, width, bias=False)  # A_1
        self.key = nn.Linear(width, width, bias=False)  # A_2
        self.score = nn.Linear(width, 1, bias=False)  # v
        self.out = nn.Linear(2 * width, width, bias=False)  # B
        for name, weights in self.gru.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weights)
            if name.startswith("weight_hh"):
                for gate in weights.chunk(3):  # each (D, D)
                    nn.init.orthogonal_(gate)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The mask is not needed: padding stands last, where no real item reads it."""
        states, _ = self.gru(self.input_dropout(vectors))
        pairs = torch.sigmoid(self.query(states).unsqueeze(2) + self.key(states).unsqueeze(1))  # (B, T, T, D)
        t = mask.shape[1]
        later = torch.ones(t, t, dtype=torch.bool, device=mask.device).triu(1)  # (T, T): item j after the prefix's end
        weights = self.score(pairs)[..., 0].masked_fill(later, -torch.inf).softmax(-1)  # (B, T, T)
        local = weights @ states
        state: Tensor = self.out(self.output_dropout(torch.cat([local, states], -1)))  # (B, T, D)
        return state
