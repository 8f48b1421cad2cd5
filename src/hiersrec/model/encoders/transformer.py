"""TransEnc: a bidirectional Transformer encoder over the items of a session (paper, eq. 1).

Paper: Vaswani et al., Attention Is All You Need, 2017, section 3.1: post-norm blocks, ReLU feed-forward of 4 D, learned
positions instead of sinusoids. HierSRec gives 2 layers and 8 heads and leaves the rest open. `positions = "reversed"`
counts from the newest item, so that "the last click" is one place whatever the length (as in GCE-GNN and COTREC).
Written on scaled_dot_product_attention, which exports and compiles cleanly; training on a processor has plain products
instead, which are twice as fast for sessions as short as ours.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.config import SHAPES
from hiersrec.errors import BadRecipe
from hiersrec.model.dropout import Dropout, dropout


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [encoder] of a recipe whose name is "transformer"."""

    layers: Annotated[int, Ge(1), SHAPES] = 2
    """Number of blocks."""
    heads: Annotated[int, Ge(1)] = 8
    """Attention heads; they divide the width D."""
    feedforward: Annotated[int, Ge(1), SHAPES] = 4
    """Width of the hidden feed-forward layer, in multiples of D."""
    positions: Literal["forward", "reversed"] = "forward"
    """Count positions from the oldest item or from the newest."""
    causal: bool = False
    """Let an item look only at itself and the earlier ones, as SASRec does, instead of at all."""
    norm: Annotated[Literal["post", "pre"], SHAPES] = "post"
    """Normalise after each half of a block (Vaswani et al.) or before it."""
    max_length: Annotated[int, Ge(1)] = 50
    """Longest session; of longer ones the newest items are kept."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """On positions, attention and feed-forward outputs."""


def build(config: Config, width: int) -> "Transformer":
    """The encoder for vectors of `width` D. Raises BadRecipe if the heads do not divide it."""
    if width % config.heads:
        raise BadRecipe(f"[encoder] heads must divide the input width {width}, got {config.heads}.")
    return Transformer(config, width)


class Transformer(nn.Module):
    """Vectors (B, T, D) and mask (B, T) -> states (B, T, D)."""

    position_rows = ("positions",)
    """Parameters with a row for each position of a session, for warm starts."""

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.reversed, self.masked = config.positions == "reversed", config.causal
        self.causal = self.masked and not self.reversed
        """Whether a state depends only on its own item and earlier ones; positions from the end tell of later ones."""
        self.positions = nn.Parameter(torch.randn(config.max_length, width) * width**-0.5)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config, width) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width) if config.norm == "pre" else nn.Identity()

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The mask is True at real positions, which stand first; at least one in each row."""
        position = torch.arange(vectors.shape[1], device=vectors.device).expand_as(mask)  # (B, T)
        if self.reversed:
            position = (mask.sum(1, keepdim=True) - 1 - position).clamp(min=0)
        # Not positions[place]: on several threads the gradient of indexing adds up in no fixed order.
        states = self.dropout(vectors + functional.embedding(position, self.positions))  # (B, T, D)
        # (B, 1, 1, T): keys that may be looked at. Padding stands last, where no earlier item would look.
        # An exported graph can't ask whether there is padding, so it looks at the mask always.
        is_whole = not torch.compiler.is_exporting() and bool(mask.all())
        seen = None if self.masked or is_whole else mask[:, None, None, :]
        for block in self.blocks:
            states = block(states, seen)
        normed: Tensor = self.norm(states)
        return normed


class _Block(nn.Module):
    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.heads, self.attention_dropout, self.causal = config.heads, config.dropout, config.causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, config.feedforward * width), nn.ReLU(), nn.Linear(config.feedforward * width, width)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = Dropout(config.dropout)

    def forward(self, states: Tensor, seen: Tensor | None) -> Tensor:
        if self.pre:
            states = states + self.dropout(self.attend(self.norms[0](states), seen))
            summed: Tensor = states + self.dropout(self.feedforward(self.norms[1](states)))
            return summed
        states = self.norms[0](states + self.dropout(self.attend(states, seen)))
        normed: Tensor = self.norms[1](states + self.dropout(self.feedforward(states)))
        return normed

    def attend(self, states: Tensor, seen: Tensor | None) -> Tensor:
        b, t, d = states.shape
        q, k, v = self.qkv(states).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)  # (B, H, T, D/H)
        if self.training and states.device.type == "cpu":
            mixed = self._mix(q.contiguous(), k.contiguous(), v.contiguous(), seen)
        else:
            share = self.attention_dropout if self.training else 0.0
            mixed = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=seen, dropout_p=share, is_causal=self.causal
            )
        projected: Tensor = self.out(mixed.transpose(1, 2).reshape(b, t, d))  # (B, T, D)
        return projected

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
        """The same for q, k, v (B, H, T, D/H) without scaled_dot_product_attention."""
        t = q.shape[2]
        scores = (q * q.shape[3] ** -0.5) @ k.transpose(2, 3)  # (B, H, T, T)
        if self.causal:
            scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -torch.inf)
        elif seen is not None:
            scores = scores.masked_fill(~seen, -torch.inf)
        return dropout(scores.softmax(-1), self.attention_dropout).to(v.dtype) @ v
