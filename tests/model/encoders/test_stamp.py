"""The encoder against the paper's equations, one prefix and one item at a time."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hiersrec.model.encoders.stamp import Config, Stamp, build
from tests.model.encoders.sessions import LENGTHS, WIDTH, numbers


def made() -> Stamp:
    torch.manual_seed(0)
    return build(Config(), WIDTH).eval()


def slow_state(encoder: Stamp, items: Tensor) -> Tensor:
    """State of the prefix (T, D) that ends at its last row."""
    w_1, b = encoder.item.weight, encoder.item.bias
    w_2, w_3, w_0 = encoder.last.weight, encoder.mean.weight, encoder.score.weight[0]
    m_s, m_t = sum(items) / len(items), items[-1]
    m_a = m_s
    for x in items:
        m_a = m_a + (w_0 @ torch.sigmoid(w_1 @ x + w_2 @ m_t + w_3 @ m_s + b)) * x
    return torch.tanh(encoder.long_term.weight @ m_a) * torch.tanh(encoder.short_term.weight @ m_t)


def test_it_is_the_equations_at_every_position() -> None:
    encoder = made()
    vectors, mask = numbers()

    found = encoder(vectors, mask)

    for row, length in enumerate(LENGTHS):
        for end in range(1, length + 1):
            expected = slow_state(encoder, vectors[row, :end])
            torch.testing.assert_close(found[row, end - 1], expected, rtol=1e-4, atol=1e-6)


def test_a_later_item_changes_no_earlier_state() -> None:
    encoder = made()
    vectors, mask = numbers()
    states = encoder(vectors, mask)

    for at in range(max(LENGTHS)):
        changed = vectors.clone()
        changed[:, at] += 1
        after = encoder(changed, mask)
        torch.testing.assert_close(after[:, :at], states[:, :at])
        assert (after[:, at:] != states[:, at:]).any(-1).all()


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(6)))
def test_the_order_of_all_items_but_the_last_says_nothing(order) -> None:
    encoder = made()
    vectors, mask = numbers()

    found = encoder(vectors[2:3, [*order, 6]], mask[2:3])[0, -1]

    torch.testing.assert_close(found, encoder(vectors, mask)[2, -1], rtol=1e-4, atol=1e-6)


def test_weights_of_a_session_are_not_shared_out() -> None:
    """Without a softmax, an item that comes twice weighs twice: its mean stays and the attention's sum doubles."""
    encoder = made()
    item = numbers()[0][:1, :1]
    memories: list[Tensor] = []
    encoder.long_term.register_forward_pre_hook(lambda _, given: memories.append(given[0][0]))

    encoder(item.expand(-1, 3, -1), torch.ones(1, 3, dtype=torch.bool))

    attended = memories[0] - item[0, 0]  # (T, D): m_a without m_s
    torch.testing.assert_close(attended, torch.arange(1.0, 4)[:, None] * attended[0])


def test_it_has_the_paper_s_biases_and_no_others() -> None:
    assert [name for name, _ in made().named_parameters() if "bias" in name] == ["item.bias"]


def test_one_seed_gives_one_encoder_in_training_too() -> None:
    vectors, mask = numbers()

    assert torch.equal(made().train()(vectors, mask), made()(vectors, mask))


def test_bf16_comes_near() -> None:
    encoder = made()
    vectors, mask = numbers()

    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(vectors, mask)

    exact = encoder(vectors, mask)
    assert (found - exact).norm() < 0.03 * exact.norm()
