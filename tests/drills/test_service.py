"""A few tries of the drills of the service; tests/cli/test_serve.py has a reload under load, too."""

import pytest

from tests.drills import service

pytestmark = pytest.mark.slow


def test_fuzzed_requests_are_answered_and_none_gets_in_without_the_key(toy_bundle, tmp_path) -> None:
    assert [row.failures for row in service.fuzz(toy_bundle, tmp_path, 50)] == [[], []]


def test_a_signal_to_stop_under_load_drops_no_request(toy_bundle) -> None:
    assert service.stops(toy_bundle, 1).failures == []
