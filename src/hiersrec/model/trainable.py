"""What the training loop trains: our model, and the baselines that learn by gradient."""

from abc import ABC, abstractmethod
from typing import cast

from torch import Tensor, nn

from hiersrec.model.targets import Targets


class Trainable(nn.Module, ABC):
    """A module that scores all items for prefixes: items (B, T) int64, right-padded with 0, lengths (B,) from 1."""

    max_length: int
    """Longest session it takes."""

    @abstractmethod
    def forward(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Logits by task: "item" (B, N), class i being item i + 1, and those of other tasks (B, C)."""

    @abstractmethod
    def loss(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """Combined loss (scalar), and the parts of it by name, unweighted, for people to watch."""

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Tables whose gradients hold some rows only: of modules that are set to `sparse`, as embeddings can be."""
        sparse = [module for module in self.modules() if getattr(module, "sparse", False) is True]
        return [cast("nn.Parameter", module.weight) for module in sparse]

    def start_epoch(self, seed: int, epoch: int) -> None:
        """Called before each epoch (from 0); what it draws may depend only on (seed, epoch)."""
        del seed, epoch

    def moving_weights(self) -> dict[str, dict[str, float]]:
        """Weights in force that are not fixed, by key of the recipe and name of the task."""
        return {}


def parameter_count(model: nn.Module) -> int:
    """Numbers that are learnt, each table counted once."""
    return sum(parameter.numel() for parameter in model.parameters())
