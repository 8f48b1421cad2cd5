"""Every scorer keeps the contract of hiersrec.testing: the baselines that count, and every trained recipe."""

import pytest

from hiersrec import registry
from hiersrec.testing.scorers import CHECKS, CHECKS_OF_FIT, SESSIONS, shop
from hiersrec.types import Scorer
from tests.contracts.scorers import fitted, members

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=members())
def name(request) -> str:
    """Of the module, so that all tests of a member follow one another, and in one process of several."""
    return request.param


@pytest.fixture(scope="module")
def scorer(name) -> Scorer:
    return fitted(name)


def test_the_walk_finds_members() -> None:
    baselines = {name.removeprefix("any/") for name in members()}
    assert baselines >= {"popularity", "cooccurrence", "last_category", *registry.names("baselines")}
    assert [shop().test[row].tolist() for row in range(len(SESSIONS))] == SESSIONS


@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract(scorer, check) -> None:
    check(scorer)


@pytest.mark.parametrize("check", CHECKS_OF_FIT)
def test_it_is_fitted_as_the_contract_says(name, scorer, check) -> None:
    check(members()[name], scorer)
