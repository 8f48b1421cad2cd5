"""The service, started, and a client of it."""

import pytest

from hiersrec.http import recommending
from hiersrec.http.holder import Holder
from tests.http import world


@pytest.fixture
def holder(tmp_path) -> Holder:
    return Holder(world.model(tmp_path / "catalog"))


@pytest.fixture
def client(holder):
    with world.client(holder) as client:
        yield client


@pytest.fixture
def in_thread(monkeypatch) -> None:
    """Nothing is quick, so that the event loop goes on while a scorer waits."""
    monkeypatch.setattr(recommending, "QUICK_WORK", 0)
