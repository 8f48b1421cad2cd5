"""Weights of losses (lambda, eq. 7) and of injected predictions (lambda_C, eq. 4), and how they come about.

The paper (section 3) "tested several weighting strategies for lambda and lambda_C such as trainable weights or
randomized weights per epoch" and found 1 best. A recipe may say:

    a number      fixed
    "trainable"   learnt with everything else, from 1 on
    "random"      drawn each epoch, evenly from 0 to 2, whose mean is the paper's 1

Fixed and random weights have no tensor in the file of weights.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

Setting = float | Literal["trainable", "random"]


class Weight(nn.Module):
    """A number of the recipe, or a plain parameter."""

    def __init__(self, value: float | nn.Parameter) -> None:
        super().__init__()
        self.value = value

    def forward(self) -> float | Tensor:
        return self.value


class RandomWeight(Weight):
    """Drawn each epoch; 1, its mean, in evaluation, so that a model does not depend on its last draw.

    name: decides what is drawn, with seed and epoch; no other weight of the model may have it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(1.0)
        self.name = name

    def draw(self, seed: int, epoch: int) -> None:
        """Draw evenly from 0 to 2; depends only on (seed, epoch, name), so that a resumed training draws the same."""
        self.value = float(np.random.default_rng([seed, epoch, *self.name.encode()]).uniform(0, 2))

    def forward(self) -> float | Tensor:
        return self.value if self.training else 1.0


class TrainableWeight(Weight):
    """lambda = exp(theta), which is never negative.

    Its gradient is the loss itself, which is positive: gradient descent only ever lowers such a weight, faster for
    tasks of large loss and large weight. It is a schedule from 1 towards 0 rather than a balance.
    """

    value: nn.Parameter
    """theta."""

    def __init__(self) -> None:
        super().__init__(nn.Parameter(torch.zeros(())))

    def forward(self) -> float | Tensor:
        return self.value.exp()


def moving(weights: Mapping[str, Weight]) -> dict[str, float]:
    """The weights in force that are not fixed, by name, as numbers."""
    return {
        name: torch.as_tensor(weight(), dtype=torch.float64).item()
        for name, weight in weights.items()
        if isinstance(weight, RandomWeight) or isinstance(weight.value, nn.Parameter)
    }


def of_loss(setting: Setting, name: str) -> Weight:
    """Weight of a task's loss; `name` as in RandomWeight."""
    if setting == "trainable":
        return TrainableWeight()
    return RandomWeight(name) if setting == "random" else Weight(setting)


def of_injection(setting: Setting, name: str) -> Weight:
    """Weight of what a task reads, lambda_C; `name` as in RandomWeight.

    A trainable one scales projections that are learnt as well: it adds no new function, only another pace.
    """
    if setting == "trainable":
        return Weight(nn.Parameter(torch.ones(())))
    return RandomWeight(name) if setting == "random" else Weight(setting)
