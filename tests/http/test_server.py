"""Several workers as real processes: starts, signals, deaths and bad bundles, in every order."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.http.processes import PATIENCE, living, replace, serving, started, until

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(toy_bundle, tmp_path) -> Path:
    """A copy, to be replaced or spoilt."""
    return Path(shutil.copytree(toy_bundle, tmp_path / "bundle"))


def test_a_reload_reaches_workers_that_are_not_ready_and_none_outlives_the_supervisor(bundle, tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with started(bundle, "--workers", 2, "--port", port, gate=tmp_path) as service:
        until(lambda: len(list(tmp_path.glob("opened-*"))) == 2)  # the old bundle
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        replace(bundle, "newer")
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)  # the supervisor acts on it while nobody is ready
        before = service.port
        (tmp_path / "go").touch()
        until(lambda: service.port is not None)
        until(lambda: service.models() == {"newer": 2})
        orphans = set(service.workers())
        service.process.kill()
        until(lambda: not living().keys() & orphans)

    assert before is None
    assert len(orphans) == 2


def test_it_can_be_asked_as_soon_as_it_says_where_also_by_a_probe_with_head(bundle) -> None:
    with serving(bundle) as service:
        first = service.ask("GET", "/readyz")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", service.port)) as connection:
            for path in ("/", "/healthz", "/readyz", "/page/app.js", "/v1/model"):
                seen = []
                for method in ("HEAD", "GET"):  # on one connection, so a body in the wrong place would be noticed
                    connection.request(method, path)
                    answer = connection.getresponse()
                    body = answer.read()
                    seen.append((answer.status, answer.headers["content-length"], answer.headers["content-type"]))
                    assert (body == b"") == (method == "HEAD")
                assert seen[0] == seen[1]
                assert seen[0][0] == 200

    assert first == (200, b'{"status":"ready","waiting":0,"queue":256,"last_reload":null}')


def test_a_stop_while_the_bundle_is_opened_is_heeded_at_once_and_a_reload_does_no_harm(bundle, tmp_path) -> None:
    with started(bundle, gate=tmp_path) as service:
        until(lambda: list(tmp_path.glob("opened-*")))
        service.process.send_signal(signal.SIGHUP)
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait(PATIENCE)

    assert code == 0
    assert service.port is None
    assert "Traceback" not in service.text


def test_a_stop_does_not_wait_for_a_bundle_that_is_being_opened(bundle, tmp_path) -> None:
    (tmp_path / "go").touch()
    with started(bundle, gate=tmp_path) as service:
        service.wait()
        (tmp_path / "go").unlink()
        [opened] = tmp_path.glob("opened-*")
        opened.unlink()
        service.process.send_signal(signal.SIGHUP)
        until(opened.exists)
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait(PATIENCE)

    assert code == 0
    assert service.text.endswith("Stopped while a bundle was being opened\n")


def test_over_a_bad_bundle_others_answer_for_a_dead_worker_until_none_is_left(bundle) -> None:
    with serving(bundle, "--workers", 2) as service:
        until(service.complete)
        [old] = service.models()
        replace(bundle, "newer")
        good = (bundle / "vectors.npy").read_bytes()
        (bundle / "vectors.npy").write_bytes(bytes(len(good)))
        victim, other = service.workers()
        os.kill(victim, signal.SIGKILL)
        until(lambda: "A worker could not start; it is retried" in service.text)
        assert service.ask("POST", "/v1/recommend", {"session": ["a0"]})[0] == 200
        assert service.models() == {old: 1}
        assert service.text.count("does not match its checksum") == 1

        (bundle / "vectors.npy").write_bytes(good)
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.complete(times=2) and service.models() == {"newer": 2})
        assert other in service.workers()

        (bundle / "vectors.npy").unlink()
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        code = service.process.wait(PATIENCE)

    assert code == 2
    assert "A worker could not start, and no other is left: " in service.text
    assert "vectors.npy is missing" in service.text
    assert "Traceback" not in service.text
