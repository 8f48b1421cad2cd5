"""What every soft target promises, with the settings that turn it on: the mean of a distribution over the items, and
for a softmax that reads drawn items only, an estimate of it.
"""

from typing import Any, cast

import torch

from hiersrec import registry
from hiersrec.model.soft_target import Expected, SoftTarget
from hiersrec.model.targets import Targets, Taught
from hiersrec.testing.catalogue import N, catalog
from hiersrec.testing.checks import check_config, check_parameters

FOLDER = "model.soft_targets"
WIDTH = 5
TRIES = 400
"""Estimates whose mean is compared with what is expected."""


def check_soft_target(name: str, **settings: Any) -> None:
    """Raise AssertionError for the first promise that the soft target `name` breaks under settings that turn it on."""
    for check in CHECKS:
        check(name, settings)


def _built(name: str, settings: dict[str, Any]) -> SoftTarget:
    module = registry.load(FOLDER, name)
    built = module.build(module.Config(**settings), catalog())
    assert built is not None, f"the settings do not turn '{name}' on"
    return cast("SoftTarget", built)


def _expected(name: str, settings: dict[str, Any], vectors: torch.Tensor, biases: torch.Tensor | None) -> Expected:
    """Of 8 examples; teachers, for one that asks them, are sure of nothing."""
    built = _built(name, settings)
    taught = Taught(torch.full((8, N), 1 / N), 0.3)
    expected = built(Targets(torch.arange(1, 9), taught=taught), vectors, biases, None)
    assert expected is not None, f"'{name}' has nothing to say of a batch"
    return expected


def settings_explain_themselves(name: str, settings: dict[str, Any]) -> None:
    """The settings are a frozen dataclass with a text under each field, and `build` takes config and catalogue."""
    del settings
    module = registry.load(FOLDER, name)
    check_config(module)
    check_parameters(module.build, ["config", "catalog"])


def expects_a_mean(name: str, settings: dict[str, Any]) -> None:
    """Shapes and share; and where all items are alike, what is expected is what they have: q sums to 1."""
    item, bias = torch.randn(WIDTH), torch.randn(())
    expected = _expected(name, settings, item.expand(N, WIDTH), bias.expand(N))
    assert 0 < expected.share <= 1, f"the share is {expected.share}, not above 0 and at most 1"
    assert (tuple(expected.vector.shape), expected.vector.dtype) == ((8, WIDTH), torch.float32)
    torch.testing.assert_close(expected.vector, item.expand(8, WIDTH))
    assert expected.bias is not None, "a head with biases expects one"
    torch.testing.assert_close(expected.bias, bias.expand(8))


def no_bias_where_the_head_has_none(name: str, settings: dict[str, Any]) -> None:
    """Nor sparse scores where there are none."""
    expected = _expected(name, settings, torch.randn(N, WIDTH), None)
    assert expected.bias is None
    assert expected.of_sparse is None


def is_linear_in_the_vectors(name: str, settings: dict[str, Any]) -> None:
    """Q depends on the example only: twice the vectors give twice the mean."""
    vectors = torch.randn(N, WIDTH)
    first, twice = (_expected(name, settings, factor * vectors, None).vector for factor in (1, 2))
    torch.testing.assert_close(2 * first, twice)


def draws_known_items(name: str, settings: dict[str, Any]) -> None:
    """A sampled softmax reads the vectors of these items."""
    drawn = _built(name, settings).draw(Targets(torch.arange(1, 9)))
    assert (drawn.ndim, drawn.dtype) == (1, torch.int64), f"draw gives {drawn.dtype} of {tuple(drawn.shape)}"
    assert ((drawn >= 1) & (drawn <= N)).all(), f"draw gives items outside of 1 to {N}"


def estimates_are_right_on_average(name: str, settings: dict[str, Any]) -> None:
    """With biases and without. One that says nothing without teachers, or requires the full softmax, draws nothing."""
    built, targets = _built(name, settings), Targets(torch.arange(1, 9))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vectors = torch.randn(N, WIDTH)
        for biases in (None, torch.randn(N)):
            expected = built(targets, vectors, biases, None)
            if expected is None or _requires_full(name):
                drawn = built.draw(targets)
                assert len(drawn) == 0, f"draw gives {len(drawn)} items, and none are of use"
                assert built.estimate(targets, vectors[:0], None if biases is None else biases[:0], None) is None
                continue
            found = [_estimate(built, targets, vectors, biases) for _ in range(TRIES)]
            assert all(one.share == expected.share for one in found), "an estimate has another share"
            _right_on_average([one.vector for one in found], expected.vector, "vector")
            if expected.bias is not None:
                _right_on_average([one.bias for one in found], expected.bias, "bias")
            else:
                assert all(one.bias is None for one in found), "an estimate has a bias where the head has none"


def _requires_full(name: str) -> bool:
    constraints = getattr(registry.load(FOLDER, name), "CONSTRAINTS", ())
    return any(
        verb == "requires" and other.setting == "tasks.item.softmax" and not other.holds("sampled")
        for _, verb, other, _, _ in constraints
    )


def _estimate(built: SoftTarget, targets: Targets, vectors: torch.Tensor, biases: torch.Tensor | None) -> Expected:
    drawn = built.draw(targets) - 1
    found = built.estimate(targets, vectors[drawn], None if biases is None else biases[drawn], None)
    assert found is not None, "estimate says nothing of a batch, and the exact form does"
    return found


def _right_on_average(found: list[torch.Tensor | None], expected: torch.Tensor, which: str) -> None:
    """The mean of the estimates is within six of its own standard errors, in each place."""
    assert all(one is not None and one.shape == expected.shape for one in found), f"a {which} has another shape"
    values = torch.stack([one.float() for one in found if one is not None])
    error = (values.mean(0) - expected).abs() - 6 * values.std(0) / len(values) ** 0.5
    assert error.max() < 1e-5, f"the mean of {len(values)} estimates is not the {which} that is expected"


CHECKS = (
    settings_explain_themselves,
    expects_a_mean,
    no_bias_where_the_head_has_none,
    is_linear_in_the_vectors,
    draws_known_items,
    estimates_are_right_on_average,
)
