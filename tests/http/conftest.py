"""The service, started, and a client of it."""

import pytest

from hiersrec.http.holder import Holder
from tests.http import world


@pytest.fixture
def holder(tmp_path) -> Holder:
    return Holder(world.model(tmp_path / "catalog"))


@pytest.fixture
def client(holder):
    with world.client(holder) as client:
        yield client
