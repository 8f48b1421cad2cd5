"""Every metric keeps the contract of hiersrec.testing."""

import pytest

from hiersrec import registry
from hiersrec.testing.metrics import CHECKS, FOLDER

NAMES = registry.names(FOLDER)


def test_the_walk_finds_them() -> None:
    assert {"mrr", "recall"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name)
