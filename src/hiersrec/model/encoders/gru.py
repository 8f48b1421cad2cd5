"""GRU4Rec's encoder: the state of a gated recurrent network after each item. Pool with "last" for the paper's model.

Papers: Hidasi et al., Session-based Recommendations with Recurrent Neural Networks, ICLR 2016,
arxiv.org/abs/1511.06939; Hidasi and Karatzoglou, Recurrent Neural Networks with Top-k Gains, CIKM 2018,
arxiv.org/abs/1706.03847.
Official code: github.com/hidasib/GRU4Rec.

    z = sigmoid(W_z x_t + U_z h_{t-1} + b_z)              r = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
    c = tanh(W_h x_t + b_h + r * (U_h h_{t-1} + b_u))     h_t = (1 - z) * h_{t-1} + z * c,  h_0 = 0

Deviations. torch.nn.GRU resets after the product with U_h and gives it a bias (b_u); the authors reset before, without.
Its update gate is 1 - z, which is the same model. Dropout acts on the states of each layer as the next one and the head
read them; in the authors' code the next time step reads them too. Their dropout of the input is [inputs] dropout here.
The authors' losses on sampled items are no part of an encoder: the item task has its own. Weights start as theirs do.

Reported on Diginetica, HITS@20 / MRR@20 in percent. [R] read at the source, [Q] quoted by others. 50.97 / 17.50 on
session-rec's single split, official code, tuned [R, rn5l/session-rec, docs/tables_single]; 29.45 / 8.33 on the standard
split [Q, MGCOT, table 2], far less than a tuned one.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt
from torch import Tensor, nn

from hiersrec.config import SHAPES
from hiersrec.model.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [encoder] of a recipe whose name is "gru"."""

    layers: Annotated[int, Ge(1), SHAPES] = 1
    """Number of recurrent layers."""
    max_length: Annotated[int, Ge(1)] = 50
    """Longest session; of longer ones the newest items are kept."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """On the states of each layer."""


def build(config: Config, width: int) -> "Gru":
    """The encoder for vectors of `width` D; its states have the same width."""
    return Gru(config, width)


class Gru(nn.Module):
    """Vectors (B, T, D) and mask (B, T) -> states (B, T, D); a state has read its own item and the earlier ones."""

    causal = True

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.max_length = config.max_length
        between = config.dropout if config.layers > 1 else 0.0  # torch warns of a dropout that has nothing between
        self.gru = nn.GRU(width, width, config.layers, batch_first=True, dropout=between)
        self.dropout = Dropout(config.dropout)
        for name, weights in self.gru.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weights)
            else:
                for gate in weights.chunk(3):  # each (D, D)
                    nn.init.xavier_uniform_(gate)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The mask is not needed: padding stands last, where no real item reads it."""
        del mask
        states, _ = self.gru(vectors)
        dropped: Tensor = self.dropout(states)
        return dropped
