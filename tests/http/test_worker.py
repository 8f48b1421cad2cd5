"""What only the inside of a worker shows; the service as processes is tried in test_server.py and tests/cli."""

import os
import signal
import socket
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest
import uvicorn.server

from hiersrec.errors import BadInput
from hiersrec.http import worker
from hiersrec.http.model import Model
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.sockets import bind, listen
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
    """Versions of the models that were opened; while the first is, a reload is asked for three times."""
    versions: list[str] = []

    def open_model(_: Path) -> Model:
        versions.append("old" if not versions else "new")
        if versions == ["old"]:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGHUP)
        return world.model(tmp_path / "catalog", version=versions[-1])

    monkeypatch.setattr(worker, "open_model", open_model)
    return versions


@pytest.mark.usefixtures("kept_handlers")
def test_reloads_that_are_asked_for_while_the_first_model_is_opened_are_one(opened, tmp_path) -> None:
    heard: list[str] = []

    def report(version: str) -> None:
        heard.append(version)
        if version == "new":
            os.kill(os.getpid(), signal.SIGTERM)

    with bind("127.0.0.1", 0) as listener:
        answer(tmp_path, ServiceSettings(), listener, report)

    assert opened == ["old", "new"]
    assert heard[-1] == "new"


@pytest.mark.parametrize(
    ("entries", "times"), [([True, False], 0), ([True, True, False, True], 0), ([False], 0), ([True, True], 1)]
)
def test_the_end_waits_for_no_reload_that_has_not_begun(holder, monkeypatch, tmp_path, entries, times) -> None:
    reloads: SimpleQueue[bool] = SimpleQueue()
    opened = []

    def open_model(folder: Path) -> Model:
        opened.append(folder)
        for entry in (True, True, False):  # what is asked for while this one is opened
            reloads.put(entry)
        return holder.model

    monkeypatch.setattr(worker, "open_model", open_model)
    for entry in entries:
        reloads.put(entry)

    worker._reload(tmp_path, None, holder, reloads)

    assert opened == [tmp_path] * times


def test_nothing_is_opened_while_the_last_requests_are_answered(holder, monkeypatch, tmp_path) -> None:
    reloads: SimpleQueue[bool] = SimpleQueue()
    opened = []

    def open_model(folder: Path) -> Model:
        opened.append(folder)
        reloads.put(len(opened) == 1)  # asked for while it is opened, and then comes the signal to end
        holder.stopping = True
        return holder.model

    monkeypatch.setattr(worker, "open_model", open_model)
    reloads.put(True)

    worker._reload(tmp_path, None, holder, reloads)

    assert opened == [tmp_path]


def test_keys_are_read_again_with_the_bundle_and_bad_ones_change_nothing(holder, monkeypatch, tmp_path, caplog) -> None:
    file = tmp_path / "keys"
    monkeypatch.setattr(worker, "open_model", lambda _: holder.model)

    def reload(text: str) -> str | None:
        file.write_text(text, encoding="utf-8")
        reloads: SimpleQueue[bool] = SimpleQueue()
        reloads.put(True)
        monkeypatch.setattr(holder, "reloaded", lambda _: reloads.put(False))
        worker._reload(tmp_path, file, holder, reloads)
        return holder.keys.client_of(b"new")

    assert reload("shop old\n") is None
    assert reload("shop old\nshop new\n") == "shop"
    assert reload("") == "shop"
    assert "Could not reload the API keys, so the old ones stay" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("kept_handlers", "opened")
@pytest.mark.parametrize("seconds", [-(10**9), 0, 10**9])
def test_signs_of_life_go_on_wherever_the_clock_is_set(seconds: int, tmp_path, monkeypatch) -> None:
    read: list[float] = []
    heard: list[str] = []

    def clock() -> float:
        read.append(read[-1] + seconds if read else 1.7e9)
        if len(read) == 2:
            os.kill(os.getpid(), signal.SIGTERM)  # so that the end does not wait for what is tested
        return read[-1]

    monkeypatch.setattr(uvicorn.server, "time", SimpleNamespace(time=clock))
    with bind("127.0.0.1", 0) as listener:
        answer(tmp_path, ServiceSettings(), listener, heard.append)

    assert len(heard) == len(read) == 2


@pytest.mark.usefixtures("kept_handlers", "opened")
def test_an_address_that_another_has_taken_meanwhile_is_said_in_one_sentence(tmp_path) -> None:
    with bind("127.0.0.1", 0) as other, bind("127.0.0.1", other.getsockname()[1]) as listener:
        listen(other)
        with pytest.raises(BadInput, match="Address already in use"):
            answer(tmp_path, ServiceSettings(), listener, lambda _: None)


@pytest.mark.parametrize("unread", [b"", b'{"model": "1"}\n'])
def test_a_worker_ends_with_its_supervisor_whether_or_not_that_has_read_all_reports(monkeypatch, unread) -> None:
    ours, theirs = socket.socketpair()
    done: list[object] = []
    monkeypatch.setattr(worker.os, "kill", lambda process, number: done.append((process, number)))
    monkeypatch.setattr(worker.time, "sleep", done.append)
    monkeypatch.setattr(worker.os, "_exit", lambda code: done.append(f"exit {code}"))
    with theirs:
        theirs.send(unread)
        ours.close()  # as a kill does

        worker._end_with_supervisor(theirs)

    assert done == [(os.getpid(), signal.SIGTERM), 10, "exit 1"], "and if the signal is lost, after some seconds"
