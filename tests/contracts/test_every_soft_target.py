"""Every soft target keeps the contract of hiersrec.testing, and the contract notices one that does not."""

import pytest

from hiersrec import registry
from hiersrec.model.soft_targets import smoothing
from hiersrec.testing.soft_targets import CHECKS, FOLDER, requires_the_full_softmax

TURNED_ON = {"smoothing": {"smoothing": 0.2}}
"""Settings that turn each one on."""


def test_each_is_turned_on() -> None:
    assert set(TURNED_ON) == set(registry.names(FOLDER))


@pytest.mark.parametrize("name", TURNED_ON)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name, TURNED_ON[name])


def test_the_contract_notices_one_that_a_sampled_softmax_would_leave_out(monkeypatch) -> None:
    monkeypatch.setattr(smoothing, "CONSTRAINTS", ())

    with pytest.raises(AssertionError, match="CONSTRAINTS of 'smoothing' do not require"):
        requires_the_full_softmax("smoothing", {})
