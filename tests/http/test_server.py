"""What only the inside of a worker shows; the service as processes is tried in tests/cli/test_serve.py."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hiersrec.errors import BadInput
from hiersrec.http import model as _model_part
from hiersrec.http.model import Model
from hiersrec.http.server import STOPS, Service, _bind, worker_app
from tests.http import world


@pytest.fixture
def kept_handlers():
    before = {number: signal.getsignal(number) for number in (*STOPS, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as serve does
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("kept_handlers")
def test_a_reload_that_is_asked_for_while_the_first_model_is_opened_is_not_lost(tmp_path, monkeypatch) -> None:
    opened: list[str] = []

    def open_model(_: Path) -> Model:
        opened.append("old" if not opened else "new")
        if opened == ["old"]:
            os.kill(os.getpid(), signal.SIGHUP)
        return world.model(tmp_path / "catalog", version=opened[-1])

    monkeypatch.setattr(_model_part, "open_model", open_model)

    async def worker() -> None:
        worker_app(Service(tmp_path))
        async with asyncio.timeout(10):
            while len(opened) < 2:
                await asyncio.sleep(0.01)

    asyncio.run(worker())

    assert opened == ["old", "new"]


@pytest.mark.parametrize("host", ["a" * 80, ".."])
def test_a_host_that_can_be_no_name_is_refused_in_one_sentence(host) -> None:
    with pytest.raises(BadInput, match=r"Can't serve at .*, port 0: .*\. Choose another --host or --port\."):
        _bind(host, 0)
