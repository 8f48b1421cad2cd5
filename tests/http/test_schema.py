"""Requests made up from the OpenAPI document: none breaks the server, and every answer is as documented."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiersrec.http.app import make_app
from hiersrec.http.availability import Availability
from hiersrec.http.holder import Holder
from hiersrec.http.settings import ServiceSettings
from tests.http import world

pytestmark = pytest.mark.slow


def test_made_up_requests_are_answered_as_documented(tmp_path) -> None:
    import schemathesis  # slow to load, which all test processes would do
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    conformance = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
    ]
    app = make_app(
        Holder(world.model(tmp_path / "catalog"), availability=Availability(tmp_path / "list.json")), ServiceSettings()
    )
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    tested = set()

    for result in document.get_all_operations():
        operation = result.ok()
        # What breaks the documented rules can only be made up where there are rules to break.
        has_rules = any(True for _ in operation.iter_parameters()) or operation.body
        modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if has_rules else [])]

        @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
        @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def check(case) -> None:
            case.call_and_validate(checks=conformance)

        check()
        tested.add(operation.path)

    assert len(tested) == 12
