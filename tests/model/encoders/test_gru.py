"""The encoder against the equations of a gated recurrent unit, one session and one item at a time."""

import pytest
import torch
from torch import Tensor

from hiersrec.model.encoders.gru import Config, Gru, build
from tests.model.encoders.sessions import LENGTHS, WIDTH, numbers


def made(**settings: float) -> Gru:
    torch.manual_seed(0)
    return build(Config(**settings), WIDTH).eval()


def with_biases(encoder: Gru) -> Gru:
    """They start at zero, which hides mistakes."""
    for name, weights in encoder.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(weights)
    return encoder


def slow_layer(encoder: Gru, layer: int, items: list[Tensor]) -> list[Tensor]:
    """States of one session's items; torch stacks the weights of the gates r, 1 - z and c."""
    w_r, w_z, w_h = getattr(encoder.gru, f"weight_ih_l{layer}").chunk(3)
    u_r, u_z, u_h = getattr(encoder.gru, f"weight_hh_l{layer}").chunk(3)
    b_r, b_z, b_h = getattr(encoder.gru, f"bias_ih_l{layer}").chunk(3)
    b_ur, b_uz, b_u = getattr(encoder.gru, f"bias_hh_l{layer}").chunk(3)
    state, states = torch.zeros(WIDTH), []
    for x in items:
        z = 1 - torch.sigmoid(w_z @ x + u_z @ state + b_z + b_uz)
        r = torch.sigmoid(w_r @ x + u_r @ state + b_r + b_ur)
        c = torch.tanh(w_h @ x + b_h + r * (u_h @ state + b_u))
        state = (1 - z) * state + z * c
        states.append(state)
    return states


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_it_is_the_equations(layers) -> None:
    encoder = with_biases(made(layers=layers))
    vectors, mask = numbers()

    found = encoder(vectors, mask)

    for row, length in enumerate(LENGTHS):
        states = list(vectors[row, :length])
        for layer in range(layers):
            states = slow_layer(encoder, layer, states)
        torch.testing.assert_close(found[row, :length], torch.stack(states), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_later_item_changes_no_earlier_state(layers) -> None:
    encoder = made(layers=layers)
    vectors, mask = numbers()
    states = encoder(vectors, mask)

    for at in range(max(LENGTHS)):
        changed = vectors.clone()
        changed[:, at] += 1
        after = encoder(changed, mask)
        assert torch.equal(after[:, :at], states[:, :at])
        assert (after[:, at:] != states[:, at:]).any(-1).all()


def test_weights_start_as_the_authors_do() -> None:
    """Uniform within sqrt(6 / (rows + columns)) of each gate's own matrix, and no bias."""
    encoder = made(layers=2)
    bound = (6 / (WIDTH + WIDTH)) ** 0.5

    for name, weights in encoder.named_parameters():
        if "bias" in name:
            assert weights.abs().max() == 0
        else:
            assert 0.8 * bound < weights.abs().max() <= bound


def test_dropout_acts_on_each_layer_in_training_alone() -> None:
    vectors, mask = numbers()
    one, two = made(layers=1, dropout=0.5), made(layers=2, dropout=0.5)
    assert torch.equal(one(vectors, mask), one(vectors, mask))
    one.train()
    two.train()

    dropped = one(vectors, mask) == 0
    one.dropout.eval()
    two.dropout.eval()

    assert 0.3 < dropped.float().mean() < 0.7
    assert torch.equal(one(vectors, mask), one(vectors, mask))  # nothing between layers
    assert not torch.equal(two(vectors, mask), two(vectors, mask))


def test_one_seed_gives_one_encoder_and_one_dropout() -> None:
    vectors, mask = numbers()

    def outcome() -> Tensor:
        return made(layers=2, dropout=0.5).train()(vectors, mask)

    assert torch.equal(outcome(), outcome())


def test_bf16_comes_near() -> None:
    encoder = with_biases(made(layers=2))
    vectors, mask = numbers()

    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(vectors, mask)

    exact = encoder(vectors, mask)
    assert (found - exact).norm() < 0.03 * exact.norm()
