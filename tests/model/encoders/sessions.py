"""Sessions of several lengths, as vectors and mask, for the tests of causal encoders."""

import torch
from torch import Tensor

from tests.model import world  # noqa: F401 - one thread

WIDTH = 8
LENGTHS = [5, 1, 7, 3]


def numbers() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator)
    return vectors, torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
