"""What every encoder promises: (B, T, D) in and out, blind to padding, and able to learn."""

import ast
import dataclasses
import inspect
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from hiersrec import registry
from hiersrec.config import Component
from hiersrec.model import pooling
from hiersrec.model.targets import Targets
from tests.model.world import batch, model, recipe, tensors

NAMES = registry.names("model.encoders")
WIDTH = 16
LENGTHS = [3, 1, 6, 2]


def undocumented(module: ModuleType) -> list[str]:
    """Fields of the module's Config without a text under them."""
    tree = ast.parse(inspect.getsource(module))
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config"]
    pairs = zip(body, [*body[1:], None], strict=True)
    return [
        one.target.id
        for one, after in pairs
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value)
    ]


@pytest.fixture(params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def module(name) -> ModuleType:
    return registry.load("model.encoders", name)


@pytest.fixture
def encoder(module) -> nn.Module:
    torch.manual_seed(0)
    return module.build(module.Config(), WIDTH)


def numbers() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    return torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator), mask


def test_the_walk_finds_encoders() -> None:
    assert {"transformer", "mean"} <= set(NAMES)


def test_the_settings_are_a_frozen_dataclass_that_explains_each_field(module) -> None:
    config = module.Config()

    assert dataclasses.is_dataclass(module.Config)
    assert undocumented(module) == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_length = 3
    assert module.__doc__
    assert module.Config.__doc__


def test_it_says_how_long_a_session_it_takes_and_takes_that(module) -> None:
    longest = module.Config().max_length
    encoder = module.build(module.Config(), WIDTH)

    assert encoder.max_length == longest
    vectors, mask = torch.randn(1, longest, WIDTH), torch.ones(1, longest, dtype=torch.bool)
    assert encoder(vectors, mask).shape == (1, longest, WIDTH)


def test_shape_and_type_stay(encoder) -> None:
    vectors, mask = numbers()

    found = encoder(vectors, mask)

    assert (found.shape, found.dtype) == (vectors.shape, torch.float32)
    assert torch.isfinite(found[mask]).all()
    assert (found[mask].abs().sum(-1) > 0).all()


def test_what_stands_at_padding_and_how_much_of_it_changes_nothing(encoder) -> None:
    encoder.eval()
    vectors, mask = numbers()
    expected = encoder(vectors, mask)[mask]

    filled = torch.where(mask[..., None], vectors, torch.full_like(vectors, 7.0))
    wider = torch.cat([vectors, torch.full((len(LENGTHS), 3, WIDTH), -5.0)], 1)
    wider_mask = torch.cat([mask, torch.zeros(len(LENGTHS), 3, dtype=torch.bool)], 1)

    torch.testing.assert_close(encoder(filled, mask)[mask], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder(wider, wider_mask)[wider_mask], expected, rtol=1e-5, atol=1e-5)


def test_rows_do_not_see_one_another(encoder) -> None:
    encoder.eval()
    vectors, mask = numbers()

    whole = encoder(vectors, mask)

    for row, length in enumerate(LENGTHS):
        alone = encoder(vectors[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], whole[row, :length], rtol=1e-5, atol=1e-5)


def test_twice_in_a_row_gives_the_same_numbers(encoder) -> None:
    encoder.eval()

    assert torch.equal(encoder(*numbers()), encoder(*numbers()))


def test_a_causal_one_knows_nothing_of_later_items(encoder) -> None:
    """And one that says it is not causal does: states of a prefix, from the whole session and from the prefix alone."""
    encoder.eval()
    vectors, mask = torch.randn(2, 6, WIDTH), torch.ones(2, 6, dtype=torch.bool)

    whole, prefix = encoder(vectors, mask)[:, :3], encoder(vectors[:, :3], mask[:, :3])

    assert torch.allclose(whole, prefix, atol=1e-5) == encoder.causal


def test_gradients_reach_every_parameter_and_the_inputs(encoder) -> None:
    encoder.eval()  # dropout could silence a small layer
    vectors, mask = numbers()
    vectors.requires_grad_()

    found = encoder(vectors, mask)[mask]
    (found * torch.randn_like(found)).sum().backward()

    asleep = [name for name, one in encoder.named_parameters() if one.grad is None or one.grad.abs().max() == 0]
    assert asleep == []
    assert (vectors.grad[mask].abs().sum(-1) > 0).all()
    assert vectors.grad[~mask].abs().max() < 1e-6


def test_a_model_with_it_learns_one_batch_by_heart(name, module) -> None:
    choice = Component(name=name, config=module.Config(max_length=10))
    made = model(dataclasses.replace(recipe("inputs.item_width=12"), encoder=choice))
    made.eval()
    given, targets = tensors(batch(8, longest=5)), torch.arange(8) % 4 + 1
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)

    losses = []
    for _ in range(30):
        loss, _ = made.loss(*given, Targets(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.5 * losses[0]


THREADED = [*((name, "attention") for name in NAMES), *(("mean", pooled) for pooled in ("average", "max", "last"))]
"""Every encoder and every pooling: each is a function of its input, so pairs of them say nothing more."""


@pytest.mark.parametrize(("encoder_name", "pooled"), THREADED)
def test_gradients_are_the_same_on_two_threads_however_often(encoder_name, pooled) -> None:
    """Same seed, same numbers: no sum of a gradient may depend on which thread comes first."""
    torch.manual_seed(0)
    chosen = registry.load("model.encoders", encoder_name)
    encoder, pool = chosen.build(chosen.Config(), WIDTH), pooling.build(pooled, WIDTH)
    lengths = torch.randint(1, 9, (1024,))
    mask = torch.arange(8) < lengths[:, None]
    vectors = torch.randn(1024, 8, WIDTH)  # large enough that torch shares the work out
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = [gradients(encoder, pool, vectors, mask) for _ in range(4)]
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(one, other) for again in found[1:] for one, other in zip(found[0], again, strict=True))


def gradients(made: nn.Module, pool: nn.Module, vectors: Tensor, mask: Tensor) -> list[Tensor]:
    """Of the input vectors and of every parameter, for a loss that weighs all states differently."""
    wanted = [vectors.requires_grad_(), *made.parameters(), *pool.parameters()]
    weights = torch.linspace(-1, 1, WIDTH)
    return list(torch.autograd.grad((pool(made.eval()(vectors, mask), mask) * weights).sin().sum(), wanted))
