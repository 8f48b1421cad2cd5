"""Models of the toy shop, and sessions in it of every kind."""

import random

import pytest

from hiersrec.serving.recommender import Recommender
from tests.toy import NUM_ITEMS, item_id


def toy_sessions(count: int, seed: int = 0) -> list[list[str]]:
    """Sessions of 0 to 14 events (models look at 10), with repeats, and a few ids that the shop lacks."""
    chance = random.Random(seed)  # noqa: S311 - test data
    ids = [item_id(number) for number in range(1, NUM_ITEMS + 1)]
    return [
        [chance.choice(ids) if chance.random() > 0.05 else "gone" for _ in range(chance.randrange(15))]
        for _ in range(count)
    ]


@pytest.fixture(scope="session")
def run_recommender(toy_run) -> Recommender:
    return Recommender.load(toy_run)


@pytest.fixture(scope="session")
def bundle_recommender(toy_bundle) -> Recommender:
    return Recommender.load(toy_bundle)


@pytest.fixture(scope="session", params=["run", "bundle"])
def recommender(request, run_recommender, bundle_recommender) -> Recommender:
    return run_recommender if request.param == "run" else bundle_recommender
