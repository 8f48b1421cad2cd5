"""The list of available items with workers as real processes: who obeys from when on, and what a kill leaves."""

import contextlib
import http.client
import json
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.http.processes import PATIENCE, Service, replace, serving, until

pytestmark = pytest.mark.slow

KEY = {"X-API-Key": "secret"}
SESSION = {"session": ["i1", "i2"], "k": 48}


@pytest.fixture
def bundle(toy_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(toy_bundle, tmp_path / "bundle"))


@pytest.fixture
def keys(tmp_path) -> Path:
    (tmp_path / "keys").write_text("shop secret\n", encoding="utf-8")
    return tmp_path / "keys"


class Client:
    """A connection, which stays with one worker."""

    def __init__(self, service: Service) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, method: str, path: str, body: object = None) -> dict:
        self.connection.request(method, path, None if body is None else json.dumps(body), KEY)
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status == 200, content
        return content

    def put(self, **lists: object) -> dict:
        return self.ask("PUT", "/v1/availability", lists)

    def listed(self) -> set:
        return {item["item_id"] for item in self.ask("POST", "/v1/recommend", SESSION)["items"]}


def test_both_workers_obey_from_the_answer_on_and_so_does_a_restart_with_another_bundle(bundle, keys) -> None:
    with serving(bundle, "--workers", 2, "--api-key-file", keys) as service, contextlib.ExitStack() as stack:
        until(service.complete)
        clients = [stack.enter_context(Client(service)) for _ in range(8)]  # of both workers, most likely
        everything = clients[0].listed()
        some = sorted(everything)
        for number in range(20):
            gone = {some[(7 * number + step) % 48] for step in (0, 3, 10, 11, 30)}
            clients[number % 8].put(unavailable=sorted(gone))
            for client in clients:
                assert client.listed() == everything - gone
        replace(bundle, "newer")
        service.process.send_signal(signal.SIGHUP)
        text = "Now serving model newer\n"
        until(lambda: service.text.count(text) == 2)
        assert all(client.listed() == everything - gone for client in clients)

    assert len(everything) == 48
    with serving(bundle, "--api-key-file", keys) as service, Client(service) as client:
        assert client.listed() == everything - gone
        assert client.ask("GET", "/v1/availability")["ids"] == 5


def test_a_kill_leaves_the_old_list_or_the_new_one(bundle, keys, tmp_path) -> None:
    file = tmp_path / "elsewhere.json"
    lists = {"a": [f"a{number}" for number in range(5_000)], "b": [f"b{number}" for number in range(5_000)]}
    for round_ in range(2):
        with serving(bundle, "--api-key-file", keys, "--availability-file", file) as service:
            confirmed = ["none" if not file.exists() else json.loads(file.read_bytes())["ids"][0][0]]
            begun = list(confirmed)

            def put(begun=begun, confirmed=confirmed, service=service) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException), Client(service) as client:
                    for number in range(10_000):
                        name = "ab"[number % 2]
                        begun.append(name)
                        client.put(unavailable=lists[name])
                        confirmed.append(name)

            writer = threading.Thread(target=put)
            writer.start()
            until(lambda confirmed=confirmed: len(confirmed) > 2)
            time.sleep(0.01 * round_)
            service.process.kill()
            writer.join()
        document = json.loads(file.read_bytes())
        assert document["ids"] in (lists[confirmed[-1]], lists[begun[-1]])
    with serving(bundle, "--api-key-file", keys, "--availability-file", file) as service, Client(service) as client:
        facts = client.ask("GET", "/v1/availability")
        client.put(unavailable=[])

    assert (facts["ids"], facts["set_at"]) == (5_000, document["set_at"])
    assert list(tmp_path.glob(".elsewhere.json.*")) == [], "the next writer removes what a kill left"


def test_a_damaged_list_is_said_before_anything_is_served(bundle, keys) -> None:
    bundle.with_name("bundle.availability.json").write_text("{", encoding="utf-8")

    with pytest.raises(AssertionError, match="is damaged"), serving(bundle, "--api-key-file", keys):
        pass
