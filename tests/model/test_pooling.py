import math
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hiersrec.config import RecipeHeader
from hiersrec.model import pooling

WIDTH = 2
NAMES = get_args(get_type_hints(RecipeHeader)["pooling"])
every = pytest.mark.parametrize("name", NAMES)


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return pooling.build(name, WIDTH).eval()


def sessions() -> tuple[Tensor, Tensor, list[int]]:
    lengths = [1, 4, 2]
    states = torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(0))
    return states, torch.arange(4) < torch.tensor(lengths)[:, None], lengths


def twin(name: str, made: nn.Module, states: list[list[float]]) -> list[float]:
    """One session, position by position."""
    columns = list(zip(*states, strict=True))
    if name == "average":
        return [sum(column) / len(column) for column in columns]
    if name == "max":
        return [max(column) for column in columns]
    if name == "last":
        return states[-1]
    hidden, bias = made.hidden.weight.tolist(), made.hidden.bias.tolist()
    score = made.score.weight[0].tolist()
    logits = []
    for state in states:
        inner = [
            math.tanh(sum(w * x for w, x in zip(row, state, strict=True)) + b)
            for row, b in zip(hidden, bias, strict=True)
        ]
        logits.append(sum(u * h for u, h in zip(score, inner, strict=True)))
    weights = [math.exp(logit) / sum(map(math.exp, logits)) for logit in logits]
    return [sum(w * x for w, x in zip(weights, column, strict=True)) for column in columns]


def test_the_paper_and_its_alternatives_are_there() -> None:
    assert NAMES == ("average", "max", "last", "attention")


@every
def test_it_is_what_a_loop_over_the_real_positions_gives(name) -> None:
    states, mask, lengths = sessions()
    made = build(name)

    found = made(states, mask)

    expected = [twin(name, made, states[row, :length].tolist()) for row, length in enumerate(lengths)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)


@every
def test_what_stands_at_padding_does_not_count(name) -> None:
    states, mask, _ = sessions()
    made = build(name)
    filled = states.masked_fill(~mask.unsqueeze(-1), 1e30)
    wider = torch.cat([filled, torch.full((3, 2, WIDTH), 1e30)], 1)
    wider_mask = torch.cat([mask, torch.zeros(3, 2, dtype=torch.bool)], 1)

    torch.testing.assert_close(made(filled, mask), made(states, mask))
    torch.testing.assert_close(made(wider, wider_mask), made(states, mask))


@every
def test_running_gives_what_each_prefix_gives_by_itself(name) -> None:
    states, _, _ = sessions()
    made = build(name)

    found = made.running(states)

    for t in range(states.shape[1]):
        alone = made(states[:, : t + 1], torch.ones(3, t + 1, dtype=torch.bool))
        torch.testing.assert_close(found[:, t], alone)


@every
def test_of_one_item_it_is_that_item(name) -> None:
    states = torch.tensor([[[1.5, -2.0]]])

    torch.testing.assert_close(build(name)(states, torch.ones(1, 1, dtype=torch.bool)), states[:, 0])


@every
def test_gradients_reach_the_states_and_every_parameter(name) -> None:
    states, mask, _ = sessions()
    states.requires_grad_()
    made = build(name)

    made(states, mask).square().sum().backward()

    assert states.grad is not None
    assert states.grad[mask].abs().sum() > 0
    assert states.grad[~mask].abs().sum() == 0
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in made.parameters())


def test_no_two_poolings_are_alike() -> None:
    states, mask, _ = sessions()

    found = [build(name)(states, mask)[1] for name in NAMES]

    assert all(not torch.allclose(one, other) for at, one in enumerate(found) for other in found[:at])
