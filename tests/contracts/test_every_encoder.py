"""Every encoder keeps the contract of hiersrec.testing."""

import pytest

from hiersrec import registry
from hiersrec.testing.encoders import CHECKS, FOLDER, threads_change_no_gradient

NAMES = registry.names(FOLDER)


def test_the_walk_finds_encoders() -> None:
    assert {"transformer", "mean"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name)


@pytest.mark.parametrize("pooled", ["average", "max", "last"])
def test_gradients_of_a_pooling_are_the_same_on_two_threads_however_often(pooled) -> None:
    """Every encoder is tried with attention: each is a function of its input, so pairs of them say nothing more."""
    threads_change_no_gradient("mean", pooled)
