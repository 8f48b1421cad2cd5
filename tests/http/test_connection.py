"""What a client may send before it is answered, and how long it may take: raw bytes to a real server."""

import contextlib
import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hiersrec.http import accepting, connection, worker
from hiersrec.http.accepting import Server
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.sockets import bind, listen
from hiersrec.http.worker import make_server
from tests.http import world
from tests.http.test_app import Held

PATIENCE = 30
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@dataclass
class Running:
    """A server in a thread, and what it has refused."""

    server: Server
    port: int
    holder: Holder

    def connect(self, *sent: bytes) -> socket.socket:
        """A connection on which so much was sent."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        for part in sent:
            client.sendall(part)
        return client

    def ask(self, *sent: bytes) -> bytes:
        """All that is answered until the connection is closed."""
        with self.connect(*sent) as client:
            return _all(client)

    def refused(self, reason: str) -> int:
        text = self.holder.metrics.text().decode()
        name = f'hiersrec_refused_connections_total{{reason="{reason}"}} '
        return sum(int(float(line.removeprefix(name))) for line in text.splitlines() if line.startswith(name))


def _all(client: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def _expect_ok(client: socket.socket) -> None:
    answer = b""
    while not answer.endswith(b'{"status":"ok"}'):
        answer += client.recv(1000)


@contextlib.contextmanager
def running(holder: Holder, send_buffer: int | None = None) -> Iterator[Running]:
    listener = bind("127.0.0.1", 0)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listen(listener)
    port = listener.getsockname()[1]
    server = make_server(holder, ServiceSettings(), listener, lambda: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Running(server, port, holder)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Running]:
    holder = Holder(world.model(tmp_path_factory.mktemp("http") / "catalog"))
    with running(holder) as service:
        yield service


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x: y\r\n" * 6_000,
        GET + b"x: " + b"y" * 40_000,
        b"GET /" + b"y" * 40_000,
        b"G" * 300_000,
        GET + b"x" * 1_000_000,
    ],
    ids=["many", "long value", "long address", "long method", "long name"],
)
def test_a_head_of_more_than_32_kib_is_refused_before_it_ends(service, head) -> None:
    answer = service.ask(head)

    status, _, rest = answer.partition(b"\r\n")
    assert status.split()[1] in (b"431", b"400")
    assert b"connection: close" in rest
    assert list(json.loads(rest.partition(b"\r\n\r\n")[2])) == ["error"]


def test_a_head_of_30_kb_is_taken_in_one_piece_and_in_many_and_after_a_long_body(service) -> None:
    head = GET + b"x: %b\r\n" % (b"y" * 30_000)
    post = b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    body = b" " * 200_000 + b'{"session": []}'
    end = b"Connection: close\r\n\r\n"

    assert service.ask(head, end).startswith(b"HTTP/1.1 200")
    assert service.ask(*(head[start : start + 7_000] for start in range(0, len(head), 7_000)), end).startswith(
        b"HTTP/1.1 200"
    )
    assert service.ask(post % len(body) + body + head, end).count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", GET + b"a\r\n\r\n"]
)
def test_what_is_no_request_is_told_so_and_nothing_is_logged(service, text, caplog) -> None:
    assert service.ask(text).startswith(b"HTTP/1.1 400 ")
    assert caplog.text == ""


def test_an_upgrade_is_answered_as_if_none_was_asked_for_and_nothing_is_logged(service, caplog) -> None:
    answer = service.ask(GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + b"\x81\x05hello")

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b'{"status":"ok"}')
    assert caplog.text == ""


def test_requests_sent_at_once_are_answered_in_order_and_no_more_than_17(service) -> None:
    paths = (b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(100))
    answer = service.ask(b"".join(paths)).decode()

    numbers = [part.split(".")[0] for part in answer.split("GET /")[1:]]
    assert numbers == [str(number) for number in range(17)]
    assert service.ask((GET + b"\r\n") * 3 + GET + b"Connection: close\r\n\r\n").count(b"200 OK") == 4


def test_a_chunk_that_is_none_ends_the_request(service, caplog) -> None:
    head = b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert service.ask(head, b'5\r\n{"ses\r\n', b"nothing\r\n").startswith(b"HTTP/1.1 400 ")
    assert caplog.text == ""


@pytest.mark.slow  # late connections are looked for once a second
def test_who_is_slow_to_send_or_to_take_is_cut_off(tmp_path, monkeypatch, caplog) -> None:
    for phase in ("new", "head", "body", "closing"):
        monkeypatch.setitem(connection.SECONDS, phase, 0.2)
    monkeypatch.setattr(connection, "MOST_UNREAD", 0.2)
    holder = Holder(world.model(tmp_path / "catalog"), Keys([("shop", b"secret")]))
    post = b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    page = b"GET /page/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    with running(holder, send_buffer=4096) as service, contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", service.port))
        deaf.sendall(10 * page)
        half, silent, refused = (stack.enter_context(service.connect(*sent)) for sent in ((GET,), (), (post,)))

        assert _all(half).startswith(b"HTTP/1.1 408 ")
        assert _all(silent) == b""
        assert _all(refused).startswith(b"HTTP/1.1 401 ")
        until = time.monotonic() + PATIENCE
        while service.server.server_state.connections:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert [service.refused(reason) for reason in ("slow", "unread")] == [2, 1]
    assert caplog.text == ""


@pytest.mark.slow
def test_answers_that_nobody_takes_are_held_up_to_a_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(accepting, "MOST_UNSENT", 80_000)
    page = b"GET /page/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        running(Holder(world.model(tmp_path / "catalog")), send_buffer=4096) as service,
        contextlib.ExitStack() as stack,
    ):
        clients = []
        for _ in range(2):  # some 60,000 bytes each
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", service.port))
            client.sendall(8 * page)
            clients.append(client)
            time.sleep(0.05)
        until = time.monotonic() + PATIENCE
        while not service.refused("unread"):
            assert time.monotonic() < until
            time.sleep(0.05)
        whole, cut = (
            _all(stack.enter_context(service.connect(page.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))),
            _all(clients[0]),
        )
        clients[1].shutdown(socket.SHUT_WR)
        rest = _all(clients[1])

    assert len(cut) < 8 * len(whole) * 0.9
    assert len(rest) > 8 * len(whole) * 0.9
    assert service.refused("unread") == 1


@pytest.mark.slow
def test_what_is_computed_for_too_long_after_the_signal_to_stop_is_told_so(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(worker, "DRAIN", 0.2)
    scorer = Held()
    with running(Holder(world.model(tmp_path / "catalog", scorer))) as service:
        body = b'{"session": ["a"]}'
        with service.connect(
            b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        ) as late:
            assert scorer.begun.wait(PATIENCE)
            service.server.should_exit = True
            answer = b""
            while not answer.endswith(b"}"):
                answer += late.recv(10_000)
            scorer.gate.set()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"The server is stopping" in answer
    assert "Traceback" not in caplog.text


def test_a_full_worker_drops_who_has_been_idle_longest_but_nobody_who_waits_for_an_answer(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(accepting, "MOST_CONNECTIONS", 3)
    scorer = Held()
    with running(Holder(world.model(tmp_path / "catalog", scorer))) as service, contextlib.ExitStack() as stack:
        body = b'{"session": ["a"]}'
        post = b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        waits = stack.enter_context(service.connect(post + body))
        assert scorer.begun.wait(PATIENCE)
        oldest, newer = (stack.enter_context(service.connect(GET, b"\r\n")) for _ in range(2))
        _expect_ok(oldest)
        _expect_ok(newer)

        assert service.ask(GET, b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert _all(oldest) == b""
        newer.sendall(GET + b"\r\n")
        _expect_ok(newer)
        scorer.gate.set()
        assert _all(waits).startswith(b"HTTP/1.1 200")
        assert service.refused("dropped") == 1


def test_without_file_descriptors_one_line_is_logged_and_then_it_goes_on(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(accepting, "PAUSE", 0.01)
    tries = []

    class Short(socket.socket):
        def accept(self):
            tries.append(1)
            if len(tries) < 20:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr("hiersrec.http.sockets.socket.socket", Short)
    with caplog.at_level(logging.INFO), running(Holder(world.model(tmp_path / "catalog"))) as service:
        assert service.ask(GET, b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200")

    messages = [record.message for record in caplog.records if record.name == "hiersrec"]
    assert messages == ["Connections can't be accepted for now: Too many open files. Raise the limit (ulimit -n)"]
