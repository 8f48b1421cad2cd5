"""What every encoder promises: (B, T, D) in and out, blind to padding, and able to learn."""

import dataclasses

import torch
from torch import Tensor, nn

from hiersrec import registry
from hiersrec.config import Component
from hiersrec.model import pooling
from hiersrec.model.targets import Targets
from hiersrec.testing.catalogue import batch, model, recipe, tensors
from hiersrec.testing.checks import check_config, check_parameters_get_gradients, two_threads

FOLDER = "model.encoders"
WIDTH = 16
LENGTHS = (3, 1, 6, 2)


def check_encoder(name: str) -> None:
    """Raise AssertionError for the first promise that the encoder `name` breaks."""
    for check in CHECKS:
        check(name)


def _encoder(name: str) -> nn.Module:
    """With its default settings and seeded weights."""
    module = registry.load(FOLDER, name)
    torch.manual_seed(0)
    encoder: nn.Module = module.build(module.Config(), WIDTH)
    return encoder


def _numbers() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    return torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator), mask


def settings_explain_themselves(name: str) -> None:
    """The settings are a frozen dataclass with a text under each field, and the module says what it is."""
    check_config(registry.load(FOLDER, name))


def sessions_up_to_max_length(name: str) -> None:
    """It says how long a session it takes, and takes that."""
    longest = registry.load(FOLDER, name).Config().max_length
    encoder = _encoder(name)
    assert encoder.max_length == longest, f"max_length is {encoder.max_length}, the settings say {longest}"
    vectors, mask = torch.randn(1, longest, WIDTH), torch.ones(1, longest, dtype=torch.bool)
    assert encoder(vectors, mask).shape == (1, longest, WIDTH)


def shape_and_type_stay(name: str) -> None:
    """States have the shape of the vectors, are float32 and finite, and not zero."""
    vectors, mask = _numbers()
    states = _encoder(name)(vectors, mask)
    assert (states.shape, states.dtype) == (vectors.shape, torch.float32), f"got {states.dtype} of {states.shape}"
    assert torch.isfinite(states[mask]).all(), "a state is NaN or infinite"
    assert (states[mask].abs().sum(-1) > 0).all(), "a state is zero"


def padding_changes_nothing(name: str) -> None:
    """Neither what stands at padded positions nor how many there are changes the states of real ones."""
    encoder = _encoder(name).eval()
    vectors, mask = _numbers()
    expected = encoder(vectors, mask)[mask]

    filled = torch.where(mask[..., None], vectors, torch.full_like(vectors, 7.0))
    wider = torch.cat([vectors, torch.full((len(LENGTHS), 3, WIDTH), -5.0)], 1)
    wider_mask = torch.cat([mask, torch.zeros(len(LENGTHS), 3, dtype=torch.bool)], 1)

    torch.testing.assert_close(encoder(filled, mask)[mask], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoder(wider, wider_mask)[wider_mask], expected, rtol=1e-5, atol=1e-5)


def rows_do_not_see_one_another(name: str) -> None:
    """The states of a session are those it has without the others."""
    encoder = _encoder(name).eval()
    vectors, mask = _numbers()
    whole = encoder(vectors, mask)
    for row, length in enumerate(LENGTHS):
        single = encoder(vectors[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(single[0], whole[row, :length], rtol=1e-5, atol=1e-5)


def same_twice(name: str) -> None:
    """In evaluation, the same input gives the same states."""
    encoder = _encoder(name).eval()
    assert torch.equal(encoder(*_numbers()), encoder(*_numbers()))


def causal_as_it_says(name: str) -> None:
    """A causal one knows nothing of later items, and one that says it is not causal does."""
    encoder = _encoder(name).eval()
    vectors, mask = torch.randn(2, 6, WIDTH), torch.ones(2, 6, dtype=torch.bool)
    whole, prefix = encoder(vectors, mask)[:, :3], encoder(vectors[:, :3], mask[:, :3])
    is_causal = torch.allclose(whole, prefix, atol=1e-5)
    assert is_causal == encoder.causal, f"causal is {encoder.causal}, but later items {'do not ' * is_causal}count"


def gradients_reach_everything(name: str) -> None:
    """Every parameter and every real input gets a gradient, and padding none."""
    encoder = _encoder(name).eval()  # dropout could silence a small layer
    vectors, mask = _numbers()
    vectors.requires_grad_()
    states = encoder(vectors, mask)[mask]
    (states * torch.randn_like(states)).sum().backward()
    check_parameters_get_gradients(encoder)
    assert vectors.grad is not None
    assert (vectors.grad[mask].abs().sum(-1) > 0).all(), "an input gets no gradient"
    assert vectors.grad[~mask].abs().max() < 1e-6, "padding gets a gradient"


def learns_one_batch(name: str) -> None:
    """A model with it learns one batch by heart."""
    choice = Component(name=name, config=registry.load(FOLDER, name).Config(max_length=10))
    made = model(dataclasses.replace(recipe("inputs.item_width=12"), encoder=choice)).eval()
    given, targets = tensors(batch(8, longest=5)), torch.arange(8) % 4 + 1
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        loss, _ = made.loss(*given, Targets(targets))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0], f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f} only"


def threads_change_no_gradient(name: str, pooled: str = "attention") -> None:
    """Same seed, same numbers: no sum of a gradient may depend on which thread comes first."""
    encoder = _encoder(name)
    pool = pooling.build(pooled, WIDTH)
    lengths = torch.randint(1, 9, (1024,))
    mask = torch.arange(8) < lengths[:, None]
    vectors = torch.randn(1024, 8, WIDTH)  # large enough that torch shares the work out
    first, *others = two_threads(lambda: _gradients(encoder, pool, vectors, mask), 4)
    for other in others:
        assert all(torch.equal(one, twin) for one, twin in zip(first, other, strict=True)), "gradients differ"


def _gradients(encoder: nn.Module, pool: nn.Module, vectors: Tensor, mask: Tensor) -> list[Tensor]:
    """Of the input vectors and of every parameter, for a loss that weighs all states differently."""
    inputs = [vectors.requires_grad_(), *encoder.parameters(), *pool.parameters()]
    weights = torch.linspace(-1, 1, WIDTH)
    return list(torch.autograd.grad((pool(encoder.eval()(vectors, mask), mask) * weights).sin().sum(), inputs))


CHECKS = (
    settings_explain_themselves,
    sessions_up_to_max_length,
    shape_and_type_stay,
    padding_changes_nothing,
    rows_do_not_see_one_another,
    same_twice,
    causal_as_it_says,
    gradients_reach_everything,
    learns_one_batch,
    threads_change_no_gradient,
)
