"""The encoder against torch.nn.TransformerEncoderLayer with the same weights."""

import pytest
import torch
from torch import Tensor, nn

from hiersrec.errors import BadRecipe
from hiersrec.model.encoders.transformer import Config, Transformer, build
from tests.model import world  # noqa: F401 - one thread

WIDTH, LONGEST = 12, 7
LENGTHS = [5, 1, 7, 3]


def made(**settings: object) -> Transformer:
    torch.manual_seed(0)
    settings = {"layers": 2, "heads": 3, "feedforward": 2, "max_length": LONGEST, **settings}
    encoder = build(Config(**settings), WIDTH)
    for norm in encoder.modules():
        if isinstance(norm, nn.LayerNorm):  # their first weights are ones and zeros, which hide mistakes
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return encoder.eval()


def numbers(longest: int = LONGEST) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(len(LENGTHS), longest, WIDTH, generator=generator)
    return vectors, torch.arange(longest) < torch.tensor(LENGTHS)[:, None]


def torchs_own(encoder: Transformer, config_norm: str, vectors: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """The same sum through torch's layers; `places` (B, T) are the positions' rows."""
    states = vectors + encoder.positions[places]
    for block in encoder.blocks:
        layer = nn.TransformerEncoderLayer(
            WIDTH, 3, 2 * WIDTH, dropout=0.0, activation="relu", batch_first=True, norm_first=config_norm == "pre"
        ).eval()
        pairs = [
            (layer.self_attn.in_proj_weight, block.qkv.weight),
            (layer.self_attn.in_proj_bias, block.qkv.bias),
            (layer.self_attn.out_proj.weight, block.out.weight),
            (layer.self_attn.out_proj.bias, block.out.bias),
            *((layer.linear1.weight, block.feedforward[0].weight), (layer.linear1.bias, block.feedforward[0].bias)),
            *((layer.linear2.weight, block.feedforward[2].weight), (layer.linear2.bias, block.feedforward[2].bias)),
            *((layer.norm1.weight, block.norms[0].weight), (layer.norm1.bias, block.norms[0].bias)),
            *((layer.norm2.weight, block.norms[1].weight), (layer.norm2.bias, block.norms[1].bias)),
        ]
        with torch.no_grad():
            for theirs, own in pairs:
                theirs.copy_(own)
        states = layer(states, src_key_padding_mask=~mask)
    return encoder.norm(states) if config_norm == "pre" else states


@pytest.mark.parametrize("positions", ["forward", "reversed"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_it_is_torchs_transformer(norm, positions) -> None:
    encoder = made(norm=norm, positions=positions)
    vectors, mask = numbers()
    places = [
        [at if positions == "forward" else max(0, length - 1 - at) for at in range(LONGEST)] for length in LENGTHS
    ]

    found = encoder(vectors, mask)
    expected = torchs_own(encoder, norm, vectors, mask, torch.tensor(places))

    torch.testing.assert_close(found[mask], expected[mask], rtol=1e-4, atol=1e-5)


def test_without_any_padding_it_is_the_same_sum() -> None:
    encoder = made()
    vectors, _ = numbers()
    full = torch.ones(len(LENGTHS), LONGEST, dtype=torch.bool)

    expected = torchs_own(encoder, "post", vectors, full, torch.arange(LONGEST).expand(len(LENGTHS), -1))

    torch.testing.assert_close(encoder(vectors, full), expected, rtol=1e-4, atol=1e-5)


def test_the_final_norm_belongs_to_pre_norm_alone() -> None:
    assert isinstance(made(norm="pre").norm, nn.LayerNorm)
    assert isinstance(made(norm="post").norm, nn.Identity)


def test_reversed_positions_give_the_newest_item_one_place() -> None:
    """With one vector at all positions, position 0 of a session of one is the last position of any session."""
    encoder = made(positions="reversed")
    with torch.no_grad():
        encoder.positions.zero_()
        encoder.positions[0, 0] = 1e3
    vectors = torch.zeros(2, 4, WIDTH)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    placed: list[Tensor] = []
    encoder.blocks[0].register_forward_pre_hook(lambda _, given: placed.append(given[0]))

    encoder(vectors, mask)

    assert (placed[0][..., 0] == 1e3)[mask].tolist() == [False, False, False, True, False, True]


def test_order_matters_and_every_position_can_see_every_other() -> None:
    encoder = made()
    vectors, _ = numbers()
    mask = torch.ones(1, 4, dtype=torch.bool)
    vectors = vectors[:1, :4].requires_grad_()

    swapped = encoder(vectors[:, [1, 0, 2, 3]], mask)
    states = encoder(vectors, mask)
    reach = torch.stack([torch.autograd.grad(states[0, at, 0], vectors, retain_graph=True)[0][0] for at in range(4)])

    assert not torch.allclose(swapped.mean(1), states.mean(1), atol=1e-3)
    assert (reach.abs().sum(-1) > 0).all()  # (T, T): also from later items to earlier ones


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [[5, 5], [5, 2]])
def test_training_computes_what_inference_computes(causal, lengths) -> None:
    """Training on a processor has an attention of its own; without dropout both give the same, and learn the same."""
    encoder = made(causal=causal, dropout=0.0)
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    vectors = torch.randn(2, 5, WIDTH, requires_grad=True)

    def both(training: bool) -> list[torch.Tensor]:
        states = encoder.train(training)(vectors, mask)[mask]
        return [states, *torch.autograd.grad(states.sin().sum(), [vectors, *encoder.parameters()])]

    for one, other in zip(both(True), both(False), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", ["positions", "attention", "feedforward"])
def test_dropout_acts_in_training(part) -> None:
    encoder = made(dropout=0.5)
    vectors, mask = numbers()
    assert torch.equal(encoder(vectors, mask), encoder(vectors, mask))
    with torch.no_grad():  # silence the others
        if part != "attention":
            for block in encoder.blocks:
                block.out.weight.zero_()
                block.out.bias.zero_()
        if part != "feedforward":
            for block in encoder.blocks:
                block.feedforward[2].weight.zero_()
                block.feedforward[2].bias.zero_()
    encoder.train()
    if part != "positions":
        encoder.dropout.eval()

    assert not torch.allclose(encoder(vectors, mask), encoder(vectors, mask))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(BadRecipe, match=r"\[encoder\] heads must divide the input width 12, got 5\."):
        build(Config(heads=5), WIDTH)


@pytest.mark.parametrize("positions", ["forward", "reversed"])
def test_causal_states_have_read_their_own_item_and_the_earlier_ones_alone(positions) -> None:
    """Positions from the newest item depend on the length, so there the last state of each cut session is compared."""
    encoder = made(causal=True, positions=positions)
    vectors, mask = numbers()
    later = vectors.clone()
    later[2, 4:] += 3.0

    found, changed = encoder(vectors, mask), encoder(later, mask)

    torch.testing.assert_close(found[2, :4], changed[2, :4])
    assert (found[2, 4:] - changed[2, 4:]).abs().sum(-1).min() > 1e-3
    if positions == "forward":
        for end in range(1, LONGEST + 1):
            alone = encoder(vectors[2:3, :end], torch.ones(1, end, dtype=torch.bool))
            torch.testing.assert_close(alone[0], found[2, :end], rtol=1e-5, atol=1e-5)


def test_the_last_causal_state_of_one_block_is_that_of_the_full_one() -> None:
    """The newest item may look at all in either form."""
    vectors, mask = numbers()

    full, causal = (made(layers=1, causal=causal)(vectors, mask) for causal in (False, True))

    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(causal[row, length - 1], full[row, length - 1], rtol=1e-5, atol=1e-5)
    assert (causal[2, 0] - full[2, 0]).abs().max() > 1e-3
