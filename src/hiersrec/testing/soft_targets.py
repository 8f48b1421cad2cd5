"""What every soft target promises, with the settings that turn it on: the mean of a distribution over the items."""

from typing import Any

import torch

from hiersrec import registry
from hiersrec.model.soft_target import Expected
from hiersrec.model.targets import Targets
from hiersrec.testing.catalogue import N, catalog
from hiersrec.testing.checks import check_config, check_parameters

FOLDER = "model.soft_targets"
WIDTH = 5


def check_soft_target(name: str, **settings: Any) -> None:
    """Raise AssertionError for the first promise that the soft target `name` breaks under settings that turn it on."""
    for check in CHECKS:
        check(name, settings)


def _expected(name: str, settings: dict[str, Any], vectors: torch.Tensor, biases: torch.Tensor | None) -> Expected:
    """Of 8 examples."""
    module = registry.load(FOLDER, name)
    built = module.build(module.Config(**settings), catalog())
    assert built is not None, f"the settings do not turn '{name}' on"
    expected: Expected = built(Targets(torch.arange(1, 9)), vectors, biases, None)
    return expected


def settings_explain_themselves(name: str, settings: dict[str, Any]) -> None:
    """The settings are a frozen dataclass with a text under each field, and `build` takes config and catalogue."""
    del settings
    module = registry.load(FOLDER, name)
    check_config(module)
    check_parameters(module.build, ["config", "catalog"])


def requires_the_full_softmax(name: str, settings: dict[str, Any]) -> None:
    """A sampled softmax has the vectors of some items only, and would leave the soft target out without a word."""
    del settings
    constraints = getattr(registry.load(FOLDER, name), "CONSTRAINTS", ())
    assert any(
        one.verb == "requires" and one.other.setting == "tasks.item.softmax" and not one.other.holds("sampled")
        for one in constraints
    ), f"CONSTRAINTS of '{name}' do not require tasks.item.softmax full"


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


CHECKS = (
    settings_explain_themselves,
    expects_a_mean,
    no_bias_where_the_head_has_none,
    is_linear_in_the_vectors,
    requires_the_full_softmax,
)
