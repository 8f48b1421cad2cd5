"""What only the inside of a worker shows; the service as processes is tried in test_server.py and tests/cli."""

import os
import signal
from pathlib import Path

import pytest

from hiersrec.errors import BadInput
from hiersrec.http import worker
from hiersrec.http.address import bind, listen
from hiersrec.http.app import Settings
from hiersrec.http.model import Model
from hiersrec.http.worker import STOPS, answer
from tests.http import world


@pytest.fixture
def kept_handlers():
    before = {number: signal.getsignal(number) for number in (*STOPS, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def opened(tmp_path, monkeypatch) -> list[str]:
    """Versions of the models that were opened; while the first is, a reload is asked for."""
    versions: list[str] = []

    def open_model(_: Path) -> Model:
        versions.append("old" if not versions else "new")
        if versions == ["old"]:
            os.kill(os.getpid(), signal.SIGHUP)
        return world.model(tmp_path / "catalog", version=versions[-1])

    monkeypatch.setattr(worker, "open_model", open_model)
    return versions


@pytest.mark.usefixtures("kept_handlers")
def test_a_reload_that_is_asked_for_while_the_first_model_is_opened_is_not_lost(opened, tmp_path) -> None:
    heard: list[str] = []

    def report(version: str) -> None:
        heard.append(version)
        if version == "new":
            os.kill(os.getpid(), signal.SIGTERM)

    with bind("127.0.0.1", 0) as listener:
        answer(tmp_path, Settings(), listener, report)

    assert opened == ["old", "new"]
    assert heard[-1] == "new"


@pytest.mark.usefixtures("kept_handlers", "opened")
def test_an_address_that_another_has_taken_meanwhile_is_said_in_one_sentence(tmp_path) -> None:
    with bind("127.0.0.1", 0) as other, bind("127.0.0.1", other.getsockname()[1]) as listener:
        listen(other)
        with pytest.raises(BadInput, match="Address already in use"):
            answer(tmp_path, Settings(), listener, lambda _: None)
