"""Next item (paper, eq. 4 and 6): logits over all items.

`head = "linear"` is the paper's FC_next: a weight vector and a bias for each item. `head = "cosine"` scores with the
input's own item table: scale * cos(W state, E^I_i), W starting as the identity. It has a third of the parameters and
no popularity bias by vector length. Sources: NISER (Gupta et al. 2019), CORE (Hou et al. 2022); the scale is 10 to 16
in COTREC, SGNN-HN and Atten-Mixer. `head = "dot"` is the plain product state . E^I_i of NARM, STAMP and SASRec.

With `vectors = "id+metadata"` the cosine is with E^I_i + A [E^C_i ; E^M_i], so that an item without E^I, one that
training never saw, is scored through its categories and metadata alone: the paper's future work (section 5).
DropoutNet (Volkovs et al. 2017) trains for such items by dropping known ones, as id_dropout of the inputs does.

For a given session both are linear in the state up to one factor, which is what makes explanations exact.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.errors import BadRecipe
from hiersrec.model.inputs import Inputs
from hiersrec.model.losses import cross_entropy
from hiersrec.model.targets import Targets
from hiersrec.store.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a [[tasks]] table of the name "item" may say."""

    head: Literal["linear", "cosine", "dot"] = "linear"
    """The paper's fully connected layer, or the cosine or the product with the input's item table."""
    scale: Annotated[float, Gt(0)] = 14.0
    """Factor of the cosine, one over its temperature; the other heads have none."""
    vectors: Literal["id", "id+metadata"] = "id"
    """What the cosine compares with: E^I, or E^I and what categories and metadata say of an item."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """One task, "item"."""
    del catalog
    return {"item": config}


def build(
    config: Config, catalog: Catalog, width: int, inputs: Inputs
) -> "LinearItemTask | CosineItemTask | DotItemTask":
    """The head named by the recipe. Raises BadRecipe for vectors that it can't have."""
    with_metadata = config.vectors == "id+metadata"
    if with_metadata and config.head != "cosine":
        raise BadRecipe(
            f'[[tasks]] item: vectors = "id+metadata" needs head = "cosine", got head = "{config.head}", which has a '
            "vector of its own for each item. Change one of the two."
        )
    if with_metadata and not inputs.content_width:
        raise BadRecipe(
            '[[tasks]] item: vectors = "id+metadata" needs categories or metadata in the inputs, and there are none: '
            f"the dataset has {len(catalog.levels)} category levels and {len(catalog.features)} metadata columns, and "
            "[inputs] category_width and metadata_width say which are used. Prepare with --items, or leave vectors out."
        )
    if config.head == "linear":
        return LinearItemTask(width, catalog.num_items)
    if not inputs.item_width:
        raise BadRecipe(
            f'[[tasks]] item: head = "{config.head}" compares with the item ids of the inputs, and there are none: '
            '[inputs] item_width is 0. Use head = "linear", or an item_width above 0.'
        )
    if config.head == "dot":
        if width != inputs.item_width:
            raise BadRecipe(
                '[[tasks]] item: head = "dot" needs an input of item ids alone, so that states are as wide as they '
                f"are, got the width {width} beside item_width {inputs.item_width}. Set category_width and "
                'metadata_width to 0, or use head = "cosine".'
            )
        return DotItemTask(inputs)
    return CosineItemTask(width, inputs, config.scale, with_metadata)


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

    def loss(self, state: Tensor, targets: Targets) -> Tensor:
        """Eq. 6 for next items (B,) from 1."""
        return cross_entropy(state, self.fc.weight, self.fc.bias, targets.items - 1)

    def linear_form(self, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,) with score_k = vector_k . state + bias_k, at one state (D,)."""
        del state
        return self.fc.weight[items - 1], self.fc.bias[items - 1]


class DotItemTask(nn.Module):
    """state . E^I_i: state (B, D) -> logits (B, N), D being d_I; class i is item i + 1."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.num_classes = inputs.item_table.num_embeddings - 1
        self.id_vectors = inputs.id_vectors  # a method, not the module: the table stays the inputs' own

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, N)."""
        return functional.linear(state, self.id_vectors())

    def loss(self, state: Tensor, targets: Targets) -> Tensor:
        """Eq. 6 for next items (B,) from 1."""
        return cross_entropy(state, self.id_vectors(), None, targets.items - 1)

    def linear_form(self, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,), which are zero, with score_k = vector_k . state, at one state (D,)."""
        del state
        return self.id_vectors(items), self.id_vectors(items).new_zeros(len(items))


class CosineItemTask(nn.Module):
    """scale * cos(W state, v): state (B, D) -> logits (B, N); class i is item i + 1.

    v is the item's E^I or, `with_metadata`, E^I + A [E^C ; E^M].
    """

    def __init__(self, width: int, inputs: Inputs, scale: float, with_metadata: bool = False) -> None:
        super().__init__()
        self.num_classes = inputs.item_table.num_embeddings - 1
        self.scale = scale
        self.project = nn.Linear(width, inputs.item_width, bias=False)
        # The state begins with E^I of the session's items (eq. 1), so from the first step on an item like them scores
        # high. Every fifth next item of a shop is one that the visitor has seen already.
        nn.init.eye_(self.project.weight)
        self.mix = nn.Linear(inputs.content_width, inputs.item_width, bias=False) if with_metadata else None  # A
        # Methods, not the module: the tables stay the inputs' own, in the list of parameters and in the file.
        self.id_vectors, self.content = inputs.id_vectors, inputs.content

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, N)."""
        return functional.linear(self._query(state), self._vectors())

    def _query(self, state: Tensor) -> Tensor:
        return functional.normalize(self.project(state).float(), dim=-1) * self.scale

    def _vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors v, at length 1, of items (K,), or of all: (N, d_I). Zeros for an item that has nothing."""
        vectors = self.id_vectors(items)
        if self.mix is not None:
            vectors = vectors + self.mix(self.content(items))
        return functional.normalize(vectors.float(), dim=-1)

    def loss(self, state: Tensor, targets: Targets) -> Tensor:
        """Eq. 6 for next items (B,) from 1."""
        return cross_entropy(self._query(state), self._vectors(), None, targets.items - 1)

    def linear_form(self, state: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (K, D) and biases (K,), which are zero, with score_k = vector_k . state, for one state (D,)."""
        length = self.project(state).norm()
        vectors = self._vectors(items) @ self.project.weight  # (K, D)
        return vectors * (self.scale / length), vectors.new_zeros(len(items))
