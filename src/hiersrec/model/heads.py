"""What the item task compares: a query made of the state, and a vector and a bias of each item (paper, eq. 4).

    score_i = query(state) . vector_i + bias_i

A head says what these are; its softmax (model/softmax/) says how the probabilities of the scores are trained. For a
given session every score is linear in the state, which is what makes explanations exact.
"""

from abc import ABC, abstractmethod
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.inputs import Inputs
from hiersrec.model.normalize import SHORTEST, unit
from hiersrec.model.products import products
from hiersrec.model.score_term import SparseScores
from hiersrec.model.targets import Targets


class Softmax(Protocol):
    """What every module of `softmax/` builds: an nn.Module that is part of a head and gets that head with each call."""

    partial: bool
    """Whether a step reads the vectors of some items only: their tables then have sparse gradients."""

    def loss(self, head: "Head", state: Tensor, targets: Targets, sparse: SparseScores | None) -> Tensor:
        """Mean of -log P(item), or an estimate of it, for the next items -> scalar float32.

        sparse: numbers that are added to some scores. A softmax that has no place for them, or for soft targets, says
        so in the CONSTRAINTS of those.
        """


class Head(nn.Module, ABC):
    """The item task: state (B, D) -> logits (B, N); class i is item i + 1."""

    def __init__(self, num_items: int, softmax: nn.Module) -> None:
        super().__init__()
        self.num_classes = num_items
        self.softmax = softmax

    @abstractmethod
    def query(self, state: Tensor) -> Tensor:
        """State (B, D) -> (B, d)."""

    def linear(self, state: Tensor) -> Tensor:
        """State (B, D) -> (B, d), linear in the state: the query but for a factor."""
        return state

    def factor(self, linear: Tensor) -> Tensor:
        """(B, 1), by which `linear` (B, d) is multiplied to be the query."""
        return torch.ones_like(linear[:, :1])

    @abstractmethod
    def vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors of items (K,) from 1, or of all: (K, d). Zeros for an item that has nothing."""

    def biases(self, items: Tensor | None = None) -> Tensor | None:
        """Biases (K,) of items (K,) from 1, or of all; None where the head has none."""
        del items
        return None

    def linear_form(self, state: Tensor, vectors: Tensor) -> Tensor:
        """Vectors (K, d) of items -> (K, D), whose products with one state (D,) are the scores less the biases."""
        del state
        return vectors

    def forward(self, state: Tensor, vectors: Tensor | None = None) -> Tensor:
        """(B, D) -> (B, N). vectors: those of all items, where they are known."""
        return products(self.query(state), self.vectors() if vectors is None else vectors, self.biases())

    def loss(self, state: Tensor, targets: Targets, sparse: SparseScores | None = None) -> Tensor:
        """Eq. 6 for the next items, or what the softmax has in its place -> scalar."""
        return cast("Softmax", self.softmax).loss(self, state, targets, sparse)


class Rows(nn.Linear):
    """A linear layer that can read some rows only; if `sparse`, that leaves gradients of those rows only."""

    sparse = False

    def rows(self, classes: Tensor) -> Tensor:
        """Weights of the outputs (K,) from 0: (K, D)."""
        return functional.embedding(classes, self.weight, sparse=self.sparse)

    def shifts(self, classes: Tensor) -> Tensor:
        """Biases of the outputs (K,) from 0: (K,)."""
        # Not bias[classes]: on several threads the gradient of indexing adds up in no fixed order.
        return functional.embedding(classes, self.bias[:, None])[:, 0]


class LinearHead(Head):
    """FC_next: a vector and a bias for each item."""

    def __init__(self, width: int, num_items: int, softmax: nn.Module) -> None:
        super().__init__(num_items, softmax)
        self.fc = Rows(width, num_items)
        self.fc.sparse = cast("Softmax", self.softmax).partial

    def query(self, state: Tensor) -> Tensor:
        """The state itself, (B, D)."""
        return state

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """Rows of FC_next: (K, D)."""
        return self.fc.weight if items is None else self.fc.rows(items - 1)

    def biases(self, items: Tensor | None = None) -> Tensor:
        """Biases of FC_next (K,)."""
        return self.fc.bias if items is None else self.fc.shifts(items - 1)


class DotHead(Head):
    """state . E^I_i, D being d_I."""

    def __init__(self, inputs: Inputs, softmax: nn.Module) -> None:
        super().__init__(inputs.num_items, softmax)
        self.id_vectors = inputs.id_vectors  # a method, not the module: the table stays the inputs' own

    def query(self, state: Tensor) -> Tensor:
        """The state itself, (B, D)."""
        return state

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """E^I (K, D)."""
        return self.id_vectors(items)


class CosineHead(Head):
    """scale * cos(W state, v), v being the item's E^I or, `with_metadata`, E^I + A [E^C ; E^M]."""

    def __init__(self, width: int, inputs: Inputs, scale: float, with_metadata: bool, softmax: nn.Module) -> None:
        super().__init__(inputs.num_items, softmax)
        self.scale = scale
        self.project = nn.Linear(width, inputs.item_width, bias=False)
        # The state begins with E^I of the session's items (eq. 1), so from the first step on an item like them scores
        # high. Every fifth next item of a shop is one that the visitor has seen already.
        nn.init.eye_(self.project.weight)
        self.mix = nn.Linear(inputs.content_width, inputs.item_width, bias=False) if with_metadata else None  # A
        # Methods, not the module: the tables stay the inputs' own, in the list of parameters and in the file.
        self.id_vectors, self.content = inputs.id_vectors, inputs.content

    def query(self, state: Tensor) -> Tensor:
        """W state at length `scale`: (B, d_I) float32."""
        return unit(self.project(state)) * self.scale

    def linear(self, state: Tensor) -> Tensor:
        """W state: (B, d_I)."""
        projected: Tensor = self.project(state)
        return projected

    def factor(self, linear: Tensor) -> Tensor:
        """`scale` over the length of W state: (B, 1)."""
        factor: Tensor = self.scale / linear.norm(dim=-1, keepdim=True).clamp(min=SHORTEST)
        return factor

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors v at length 1: (K, d_I), in autocast's dtype where that is on."""
        if self.mix is None:
            return unit(self.id_vectors(items))
        return unit(self.id_vectors(items), self.content(items), self.mix.weight)

    def linear_form(self, state: Tensor, vectors: Tensor) -> Tensor:
        """Vectors times W (K, D), times `scale` over the length of W state."""
        scaled: Tensor = vectors @ self.project.weight * (self.scale / self.project(state).norm())
        return scaled
