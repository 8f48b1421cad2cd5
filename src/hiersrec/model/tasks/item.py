"""Next item (paper, eq. 4 and 6): logits over all items.

`head = "linear"` is the paper's FC_next: a weight vector and a bias for each item. `head = "cosine"` scores with the
input's own item table: scale * cos(W state, E^I_i), W starting as the identity. It has a third of the parameters and
no popularity bias by vector length. Sources: NISER (Gupta et al. 2019), CORE (Hou et al. 2022); the scale is 10 to 16
in COTREC, SGNN-HN and Atten-Mixer.

For a given session both are linear in the state up to one factor, which is what makes explanations exact.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.losses import cross_entropy
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "item" may say."""

    head: Literal["linear", "cosine"] = "linear"
    """The paper's fully connected layer, or the cosine with the input's item table."""
    scale: Annotated[float, Gt(0)] = 14.0
    """Factor of the cosine, one over its temperature; the linear head has none."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """One task, "item"."""
    del catalog
    return {"item": config}


def build(config: Config, catalog: Catalog, width: int, item_table: nn.Embedding) -> "LinearItemTask | CosineItemTask":
    """The head named by the recipe."""
    if config.head == "linear":
        return LinearItemTask(width, catalog.num_items)
    return CosineItemTask(width, item_table, config.scale)


class LinearItemTask(nn.Module):
    """FC_next: state (B, D) -> logits (B, N); class i is item i + 1."""

    def __init__(self, width: int, num_items: int) -> None:
        super().__init__()
        self.num_classes = num_items
        self.fc = nn.Linear(width, num_items)

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, N)."""
        logits: Tensor = self.fc(state)
        return logits

    def loss(self, state: Tensor, target_items: Tensor) -> Tensor:
        """Eq. 6 for next items (B,) from 1."""
        return cross_entropy(state, self.fc.weight, self.fc.bias, target_items - 1)

    def linear_form(self, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,) with score_k = vector_k . state + bias_k, at one state (D,)."""
        del state
        return self.fc.weight[items - 1], self.fc.bias[items - 1]


class CosineItemTask(nn.Module):
    """scale * cos(W state, E^I): state (B, D) -> logits (B, N); class i is item i + 1."""

    def __init__(self, width: int, item_table: nn.Embedding, scale: float) -> None:
        super().__init__()
        self.num_classes = item_table.num_embeddings - 1
        self.scale = scale
        self.project = nn.Linear(width, item_table.embedding_dim, bias=False)
        # The state begins with E^I of the session's items (eq. 1), so from the first step on an item like them scores
        # high. Every fifth next item of a shop is one that the visitor has seen already.
        nn.init.eye_(self.project.weight)
        self.item_table = item_table

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, N)."""
        return functional.linear(self._query(state), self._table())

    def _query(self, state: Tensor) -> Tensor:
        return functional.normalize(self.project(state).float(), dim=-1) * self.scale

    def _table(self) -> Tensor:
        return functional.normalize(self.item_table.weight[1:], dim=-1)

    def loss(self, state: Tensor, target_items: Tensor) -> Tensor:
        """Eq. 6 for next items (B,) from 1."""
        return cross_entropy(self._query(state), self._table(), None, target_items - 1)

    def linear_form(self, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,), which are zero, with score_k = vector_k . state, for one state (D,)."""
        length = self.project(state).norm()
        vectors = functional.normalize(self.item_table.weight[items], dim=-1) @ self.project.weight  # (K, D)
        return vectors * (self.scale / length), vectors.new_zeros(len(items))
