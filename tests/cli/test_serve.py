"""`hiersrec serve` as a real process: it answers, takes a newer bundle in its stride, and ends without a cut."""

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hiersrec.export_run import export
from hiersrec.store.folder import seal
from tests.cli.conftest import start

pytestmark = pytest.mark.slow

PATIENCE = 300
"""Seconds after which what has not come never will."""


@pytest.fixture(scope="module")
def bundle(trained, prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("served") / "bundle"  # of its own: a process may come back to this module
    export(trained[0], out, lambda _: None, data=prepared[0])
    return out


@pytest.fixture
def served(bundle, tmp_path) -> Path:
    """A copy of the bundle, to be replaced or spoilt."""
    return Path(shutil.copytree(bundle, tmp_path / "bundle"))


@dataclass
class Server:
    """A running server: where it is, and what it said."""

    process: subprocess.Popen[str]
    port: int = 0
    said: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()

    def version(self) -> str:
        return str(json.loads(self.ask("GET", "/v1/model")[1])["model_version"])

    def numbers(self) -> dict[str, float]:
        text = self.ask("GET", "/metrics")[1].decode()
        return {
            name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        }

    def signal_and_wait(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextlib.contextmanager
def serving(*args: object) -> Iterator[Server]:
    process = start("serve", *args, "--port", 0)
    server = Server(process)

    def listen() -> None:
        assert process.stderr is not None
        server.said += iter(process.stderr.readline, "")

    listener = threading.Thread(target=listen)
    listener.start()

    def answers() -> bool:
        assert process.poll() is None, "".join(server.said)
        match = re.search(r"http://127\.0\.0\.1:(\d+)", "".join(server.said))
        server.port = int(match[1]) if match else 0
        with contextlib.suppress(OSError):
            return bool(match) and server.ask("GET", "/readyz")[0] == 200
        return False

    try:
        until(answers)
        yield server
    finally:
        process.kill() if process.poll() is None else None
        listener.join()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.wait()


def make_newer(folder: Path, version: str) -> None:
    """Put a bundle of another version in the place of `folder`, whole at any time."""
    aside = Path(shutil.copytree(folder, folder.with_name("newer")))
    document = json.loads((aside / "bundle.json").read_text(encoding="utf-8"))
    files = [aside / name for name in document.pop("files")]
    seal(aside, "bundle", document | {"model_version": version}, files)
    folder.rename(folder.with_name("older"))
    aside.rename(folder)


def spoil(file: Path) -> None:
    """Put another file in its place: the server maps the one that was there, and cutting that short would kill it."""
    other = file.with_name("spoilt")
    other.write_bytes(b"spoilt")
    other.replace(file)


class Stream:
    """Clients that ask without a pause, each on one connection, until told to stop."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.statuses: list[int] = []
        self.failures: list[str] = []
        self._server = server
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        while not self._enough.is_set():
            try:
                connection.request("POST", "/v1/recommend", json.dumps({"session": ["i1", "i2"]}))
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                break
        connection.close()

    def stop(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()


def test_a_newer_bundle_takes_over_without_a_dropped_request_and_a_bad_one_does_not(served) -> None:
    with serving(served) as server:
        stream = Stream(server)
        try:
            make_newer(served, "newer0000000")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: server.version() == "newer0000000")
            spoil(served / "vectors.npy")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: server.numbers().get('hiersrec_reloads_total{result="failed"}', 0) == 1)
            assert server.version() == "newer0000000"
            until(lambda: len(stream.statuses) > 20)  # before, between and after: opening takes no longer than a few
        finally:
            stream.stop()
        code = server.signal_and_wait(signal.SIGTERM)

    assert code == 0
    assert stream.failures == []
    assert set(stream.statuses) == {200}
    assert any("vectors.npy" in line and "the old model stays" in line for line in server.said)


def test_several_workers_count_together_reload_together_and_end_well(served) -> None:
    with serving(served, "--workers", 2) as server:
        until(lambda: sum(value for name, value in server.numbers().items() if "model_workers" in name) == 2)
        before = server.numbers().get('hiersrec_requests_total{endpoint="/v1/recommend",status="200"}', 0)
        for _ in range(20):
            assert server.ask("POST", "/v1/recommend", {"session": ["i1"]})[0] == 200
        after = server.numbers()['hiersrec_requests_total{endpoint="/v1/recommend",status="200"}']
        make_newer(served, "newer0000000")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.numbers().get('hiersrec_model_workers{version="newer0000000"}') == 2)
        code = server.signal_and_wait(signal.SIGTERM)

    assert code == 0
    assert after - before == 20


def test_a_signal_to_stop_lets_what_runs_finish(served) -> None:
    with serving(served) as server:
        answers = []
        body = {"sessions": [["i1", "i2"] * 100] * 256, "explain": True}
        asking = threading.Thread(target=lambda: answers.append(server.ask("POST", "/v1/recommend/batch", body)))
        asking.start()
        # It has arrived when it is being computed.
        until(lambda: server.numbers()["hiersrec_batch_sessions_count"] >= 1)
        code = server.signal_and_wait(signal.SIGTERM)
        asking.join()

    assert code == 0
    status, text = answers[0]
    assert status == 200
    assert len(json.loads(text)["answers"]) == 256


def test_a_key_in_the_environment_is_asked_for(served, monkeypatch) -> None:
    monkeypatch.setenv("HIERSREC_API_KEY", "secret")

    with serving(served) as server:
        assert server.ask("GET", "/v1/model")[0] == 401
        assert server.ask("GET", "/")[0] == 200


def test_an_empty_key_is_refused_at_the_start(hiersrec, served, monkeypatch) -> None:
    monkeypatch.setenv("HIERSREC_API_KEY", "")

    refused = hiersrec("serve", served)

    assert refused.code == 2
    assert "HIERSREC_API_KEY is empty, which would let everybody in" in refused.err


def test_what_can_not_be_served_is_said_at_once(hiersrec, trained, served, tmp_path) -> None:
    run = hiersrec("serve", trained[0])
    nothing = hiersrec("serve", tmp_path / "nothing")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = hiersrec("serve", served, "--port", other.getsockname()[1])
    (served / "inputs.npy").unlink()
    cut = hiersrec("serve", served)

    assert "is a run folder; only a bundle is served. Make one with `hiersrec export" in run.err
    assert "There is no bundle folder at" in nothing.err
    assert "Address already in use. Choose another --host or --port." in taken.err
    assert "inputs.npy is missing" in cut.err
    assert [refused.code for refused in (run, nothing, taken, cut)] == [2, 2, 2, 2]
    assert "Traceback" not in run.err + nothing.err + taken.err + cut.err


def test_a_bundle_that_breaks_at_the_start_of_the_workers_ends_the_parent(served) -> None:
    (served / "vectors.npy").write_bytes(bytes((served / "vectors.npy").stat().st_size))
    process = start("serve", served, "--workers", 2, "--port", 0)
    _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2
    assert "vectors.npy does not match its checksum" in said
    assert "A worker could not start" in said
    assert "Traceback" not in said
