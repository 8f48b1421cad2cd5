"""A few tries of each drill of the service."""

import pytest

from tests.drills import service

pytestmark = pytest.mark.slow


def test_fuzzed_requests_are_answered_and_none_gets_in_without_the_key(toy_bundle, tmp_path) -> None:
    assert [row.failures for row in service.fuzz(toy_bundle, tmp_path, 100)] == [[], []]


def test_signals_under_load_lose_nothing_and_answers_are_those_of_the_model_they_name(toy_bundle, tmp_path) -> None:
    assert service.reloads(toy_bundle, tmp_path, 2).failures == []
    assert service.stops(toy_bundle, 1).failures == []
