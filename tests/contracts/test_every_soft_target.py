"""Every soft target keeps the contract of hiersrec.testing."""

import pytest

from hiersrec import registry
from hiersrec.testing.soft_targets import CHECKS, FOLDER

TURNED_ON = {"smoothing": {"smoothing": 0.2}, "teachers": {}}
"""Settings that turn each one on."""


def test_each_is_turned_on() -> None:
    assert set(TURNED_ON) == set(registry.names(FOLDER))


@pytest.mark.parametrize("name", TURNED_ON)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name, TURNED_ON[name])
