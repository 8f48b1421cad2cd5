"""Every soft target keeps the contract of hiersrec.testing, and the contract notices one that does not."""

import pytest
import torch

from hiersrec import registry
from hiersrec.model.soft_targets import smoothing
from hiersrec.model.soft_targets.smoothing import Smoothing
from hiersrec.testing.soft_targets import CHECKS, FOLDER, draws_known_items, estimates_are_right_on_average

TURNED_ON = {"smoothing": {"smoothing": 0.2}, "teachers": {}}
"""Settings that turn each one on."""


def test_each_is_turned_on() -> None:
    assert set(TURNED_ON) == set(registry.names(FOLDER))


@pytest.mark.parametrize("name", TURNED_ON)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(name, check) -> None:
    check(name, TURNED_ON[name])


class Outside(Smoothing):
    def draw(self, targets):
        return targets.items - 1


class Floats(Smoothing):
    def draw(self, targets):
        return targets.items.float()


class OnlyTheFirst(Smoothing):
    def draw(self, targets):
        return torch.ones_like(targets.items)


class Silent(Smoothing):
    def estimate(self, targets, vectors, biases, sparse):
        del targets, vectors, biases, sparse


@pytest.mark.parametrize(
    ("broken", "check", "message"),
    [
        (Outside, draws_known_items, "outside of 1 to 12"),
        (Floats, draws_known_items, r"draw gives torch\.float32"),
        (OnlyTheFirst, estimates_are_right_on_average, "estimates is not the vector that is expected"),
        (Silent, estimates_are_right_on_average, "estimate says nothing of a batch"),
    ],
)
def test_the_contract_notices_a_wrong_estimate(monkeypatch, broken, check, message) -> None:
    monkeypatch.setattr(smoothing, "Smoothing", broken)

    with pytest.raises(AssertionError, match=message):
        check("smoothing", TURNED_ON["smoothing"])
