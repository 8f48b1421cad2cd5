"""What the encoders that answer for every prefix have in common; each has a test of its own for its equations."""

import pytest
import torch

from hiersrec import registry
from tests.model.encoders.sessions import WIDTH, numbers


@pytest.mark.parametrize(("name", "settings"), [("gru", {"layers": 2}), ("narm", {}), ("stamp", {})])
def test_the_last_state_alone_teaches_every_weight_and_every_item(name, settings) -> None:
    module = registry.load("model.encoders", name)
    torch.manual_seed(0)
    encoder = module.build(module.Config(**settings), WIDTH).eval()
    vectors, mask = numbers()
    vectors.requires_grad_()

    encoder(vectors, mask)[2, -1].sum().backward()

    assert [name for name, one in encoder.named_parameters() if not one.grad.abs().max() > 0] == []
    assert (vectors.grad[2].abs().sum(-1) > 0).all()
    assert vectors.grad[[0, 1, 3]].abs().max() == 0
