"""A layer over the classes of catalogue labels: what the category, column and event_type tasks share."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.buffers import register_constant
from hiersrec.model.losses import cross_entropy
from hiersrec.model.targets import Targets
from hiersrec.store.labels import Labels


class ClassTask(nn.Module, ABC):
    """State (B, D) -> logits (B, C); class c of the logits is class c + 1 of the labels."""

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.num_classes = labels.num_known
        # Class 0, unknown, becomes losses.UNLABELLED.
        of_item = None if labels.of_item is None else torch.from_numpy(labels.of_item.astype("int64") - 1)
        register_constant(self, "class_of_item", of_item)

    @abstractmethod
    def layer(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """State (B, D) -> queries (B, d), a vector of each class (C, d), and biases (C,) or None."""

    def forward(self, state: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        return functional.linear(*self.layer(state))

    def loss(self, state: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy over the next events whose class is known; the others do not train. Zero if there is none."""
        return cross_entropy(*self.layer(state), self._classes(targets))

    def _classes(self, targets: Targets) -> Tensor:
        if self.class_of_item is not None:
            return self.get_buffer("class_of_item")[targets.items]
        assert targets.event_types is not None, "the catalogue has types, so the training sessions have them"
        return targets.event_types - 1


class LinearClasses(ClassTask):
    """The paper's fully connected layer: a weight vector and a bias for each class."""

    def __init__(self, width: int, labels: Labels) -> None:
        super().__init__(labels)
        self.fc = nn.Linear(width, labels.num_known)

    def layer(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The state itself, (B, D), weights (C, D) and biases (C,)."""
        return state, self.fc.weight, self.fc.bias
