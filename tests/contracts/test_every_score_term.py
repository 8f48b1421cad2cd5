"""Every score term keeps the contract of hiersrec.testing."""

import pytest

from hiersrec import registry
from hiersrec.testing.score_terms import CHECKS, FOLDER

TURNED_ON = {"cooccurrence": {"cooccurrence": 0.5}, "repeats": {"repeats": True}, "trend": {"trend": 0.5}}
"""Settings that turn each term on."""


def test_each_is_turned_on() -> None:
    assert set(TURNED_ON) == set(registry.names(FOLDER))


@pytest.mark.parametrize("name", TURNED_ON)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name, TURNED_ON[name])
