"""The encoder against the paper's equations, one prefix and one pair of items at a time."""

import pytest
import torch
from torch import Tensor, nn

from hiersrec.model.encoders.narm import Config, Narm, build
from tests.model.encoders.sessions import LENGTHS, WIDTH, numbers


def made(**settings: float) -> Narm:
    torch.manual_seed(0)
    return build(Config(**settings), WIDTH).eval()


def sharpened(encoder: Narm) -> Narm:
    """Biases start at zero and v is small: the first hide mistakes, the second makes the attention almost a mean."""
    for weights in (encoder.gru.bias_ih_l0, encoder.gru.bias_hh_l0):
        nn.init.normal_(weights)
    nn.init.normal_(encoder.score.weight, std=5.0)
    return encoder


def slow_states(encoder: Narm, items: Tensor) -> list[Tensor]:
    """States of one session (T, D); test_gru.py holds torch's GRU against its equations."""
    cell = nn.GRUCell(WIDTH, WIDTH)
    with torch.no_grad():
        for theirs, own in zip(cell.parameters(), encoder.gru.parameters(), strict=True):
            theirs.copy_(own)
    a_1, a_2, v, b = (layer.weight for layer in (encoder.query, encoder.key, encoder.score, encoder.out))
    hidden, states = [torch.zeros(WIDTH)], []
    for x in items:
        hidden.append(cell(x, hidden[-1]))
        h_t = hidden[-1]
        e = [(v[0] @ torch.sigmoid(a_1 @ h_t + a_2 @ h_j)).exp() for h_j in hidden[1:]]
        local = sum(e_j / sum(e) * h_j for e_j, h_j in zip(e, hidden[1:], strict=True))
        states.append(b @ torch.cat([local, h_t]))
    return states


def test_it_is_the_equations_at_every_position() -> None:
    encoder = sharpened(made())
    vectors, mask = numbers()

    found = encoder(vectors, mask)

    for row, length in enumerate(LENGTHS):
        expected = torch.stack(slow_states(encoder, vectors[row, :length]))
        torch.testing.assert_close(found[row, :length], expected, rtol=1e-4, atol=1e-5)


def test_the_state_of_a_prefix_is_the_same_inside_a_longer_session() -> None:
    encoder = sharpened(made())
    vectors, mask = numbers()
    states = encoder(vectors, mask)

    for end in range(1, max(LENGTHS) + 1):
        torch.testing.assert_close(encoder(vectors[:, :end], mask[:, :end])[:, -1], states[:, end - 1])


def test_a_later_item_changes_no_earlier_state() -> None:
    encoder = sharpened(made())
    vectors, mask = numbers()
    states = encoder(vectors, mask)

    for at in range(max(LENGTHS)):
        changed = vectors.clone()
        changed[:, at] += 1
        after = encoder(changed, mask)
        torch.testing.assert_close(after[:, :at], states[:, :at])
        assert (after[:, at:] != states[:, at:]).any(-1).all()


@pytest.mark.parametrize("score", [1e4, -1e4])
def test_far_scores_of_padding_and_of_later_items_leave_finite_weights(score) -> None:
    """A mask after the softmax would divide nothing by nothing here."""
    encoder = made()
    nn.init.constant_(encoder.score.weight, score)
    vectors, mask = numbers()

    assert torch.isfinite(encoder(vectors, mask)).all()


def test_recurrent_weights_start_orthogonal_and_biases_at_zero() -> None:
    encoder = made()

    for gate in encoder.gru.weight_hh_l0.chunk(3):
        torch.testing.assert_close(gate @ gate.T, torch.eye(WIDTH))
    assert encoder.gru.bias_ih_l0.abs().max() == encoder.gru.bias_hh_l0.abs().max() == 0


@pytest.mark.parametrize("place", ["input_dropout", "output_dropout"])
def test_each_dropout_acts_in_training_alone(place) -> None:
    vectors, mask = numbers()
    encoder = made(**{"input_dropout": 0.0, "output_dropout": 0.0, place: 0.5})
    assert torch.equal(encoder(vectors, mask), encoder(vectors, mask))
    seen: dict[str, Tensor] = {}
    encoder.gru.register_forward_pre_hook(lambda _, given: seen.update(input_dropout=given[0]))
    encoder.out.register_forward_pre_hook(lambda _, given: seen.update(output_dropout=given[0]))
    encoder.train()

    assert not torch.equal(encoder(vectors, mask), encoder(vectors, mask))
    shares = {name: (value == 0).float().mean().item() for name, value in seen.items()}
    assert 0.3 < shares.pop(place) < 0.7
    assert list(shares.values()) == [0.0]


def test_one_seed_gives_one_encoder_and_one_dropout() -> None:
    vectors, mask = numbers()

    def outcome() -> Tensor:
        return made().train()(vectors, mask)

    assert torch.equal(outcome(), outcome())


def test_bf16_comes_near() -> None:
    encoder = made()
    vectors, mask = numbers()

    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(vectors, mask)

    exact = encoder(vectors, mask)
    assert (found - exact).norm() < 0.03 * exact.norm()
