"""The HTTP service against strangers, overload and the operator's signals; real processes, two workers.

fuzz              a request with some bytes changed: never an error of the server, never an answer without the key
slow head         half a head, and then nothing: cut off in time
deaf client       asks for megabytes and reads nothing: cut off in time
mixed load        an ordinary client next to four that ask for all that is allowed: each answer right, memory flat
SIGHUP            another bundle under load: each answer is that of the model it names, none is lost
SIGTERM           under load: what was begun is answered, what comes later is refused, and hardly anything reset
"""

import contextlib
import http.client
import json
import random
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.retrieval.candidates import ALL
from hiersrec.serving.recommender import Recommender
from hiersrec.store.folder import seal
from hiersrec.types import ExternalId
from tests.drills.report import Row
from tests.http.processes import Service, started, until

KEY = "a-key-of-the-drill"
HEAD_LIMIT, UNREAD_LIMIT, STOP_LIMIT = 13.0, 35.0, 14.0
"""Seconds by which late clients are cut off, and the service has stopped; see docs/do/operate.md."""
FULL = {"fuzz": 5_000, "slow head": 200, "deaf client": 50, "mixed load": 5_000, "SIGHUP": 30, "SIGTERM": 20}
"""Tries of a full run."""
MOST_GROWTH = 20 << 20
"""Bytes by which memory may grow under load."""
P99 = 0.1
"""Seconds within which an ordinary client has 99 of 100 answers, next to heavy ones on two cores."""


def drill(tries: int | None, folder: Path) -> Iterator[Row]:
    """All rows, on a small bundle."""
    from tests.bundles import exported, tiny_run

    run = tiny_run(folder)
    bundle = exported(run, folder / "bundle", ALL)

    def count(name: str) -> int:
        return FULL[name] if tries is None else tries

    yield from fuzz(bundle, folder, count("fuzz"))
    yield slow_heads(bundle, count("slow head"))
    yield deaf_clients(bundle, count("deaf client"))
    yield mixed_load(bundle, count("mixed load"), judge_time=tries is None)
    yield reloads(bundle, folder, count("SIGHUP"))
    yield stops(bundle, count("SIGTERM"))


def fuzz(bundle: Path, folder: Path, tries: int) -> Iterator[Row]:
    """Changed requests, first without and then with the key."""
    keys = folder / "keys"
    keys.write_text(f"drill {KEY}\n", encoding="utf-8")
    with _serving(bundle, "--api-key-file", keys) as service:
        for has_key in (False, True):
            row = Row("fuzzed request", "serve, with the key" if has_key else "serve, without the key", tries)
            statuses = Counter[str]()
            for number in range(tries):
                request = _changed(random.Random(f"{has_key} {number}"), has_key)  # noqa: S311 (it is to be repeated)
                status, reason = _judge(service, request, has_key)
                statuses[status] += 1
                if reason:
                    row.failures.append(f"{number}: {reason}: {request[:200]!r}")
            row.target += f" ({', '.join(f'{count} of {status}' for status, count in sorted(statuses.items()))})"
            if service.process.poll() is not None or "Traceback" in service.text:
                row.failures.append(f"the log: {service.text[-2000:]}")
            yield row


def _changed(chance: random.Random, has_key: bool) -> bytes:
    """A good request with a few harms done to it."""
    key = f"X-API-Key: {KEY}\r\n" if has_key else chance.choice(["", "X-API-Key: \r\n", "X-API-Key: guess\r\n"])
    body = json.dumps(
        chance.choice(
            [
                {"session": ["a0", "b1"], "k": chance.randint(-2, 1200), "explain": chance.random() < 0.5},
                {"sessions": [["a0"]] * chance.randint(0, 300), "k": chance.randint(0, 100)},
                {"session": [chance.choice(["a0", 2**62, -1, None, [], "\ud800", "x" * 2000])] * 3},
                {"session": [], "categories": [["a"] * chance.randint(0, 5)], "per_category": chance.randint(-1, 3)},
            ]
        )
    )
    paths = ["/v1/recommend", "/v1/recommend/batch", "/v1/items/a0", "/v1/items?query=a", "/v1/categories/A/B"]
    paths += ["/v1/model", "/metrics", "/v1/items/a0/similar", "/v1/items/%00%ff", "/../../etc/passwd"]
    path = chance.choice(paths)
    method = "POST" if path.startswith("/v1/recommend") else "GET"
    if chance.random() < 0.15:
        method = chance.choice(["POST", "GET", "HEAD", "OPTIONS", "CONNECT", "PUT"])
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}Connection: close\r\nContent-Length: {len(body)}\r\n"
    request = bytearray(f"{head}\r\n{body}".encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice([0, 1, 1, 1, 3])):
        start = chance.randrange(len(request))
        harm = chance.randrange(4)
        if harm == 0:
            request[start] ^= 1 << chance.randrange(8)
        elif harm == 1:
            del request[start : start + chance.randint(1, 20)]
        elif harm == 2:
            request[start:start] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 20)))
        else:
            request[start:start] = request[start : start + chance.randint(1, 200)]
    return bytes(request)


def _judge(service: Service, request: bytes, has_key: bool) -> tuple[str, str]:
    """The first status that a request got, and what is wrong with what became of it; "" if nothing is."""
    try:
        with _connect(service) as client:
            client.sendall(request)
            answer = _read_all(client, quiet=0.1)
    except ConnectionError:
        return "reset", ""  # it was cut off, after an answer that was not read
    except TimeoutError:
        return "none", "no end"
    statuses = [part[:3].decode() for part in answer.split(b"HTTP/1.1 ")[1:]] or ["none"]
    inside = (b'"items"' in answer or b"model_version" in answer or b"hiersrec_" in answer) and not has_key
    reason = ""
    if any(status.startswith("5") for status in statuses):
        reason = f"an error of the server: {answer[:300]!r}"
    elif inside:
        reason = "an answer without the key"
    return statuses[0], reason


def slow_heads(bundle: Path, tries: int) -> Row:
    """Clients that send half a head."""
    row = Row("half a head", "serve", tries)
    with _serving(bundle) as service, contextlib.ExitStack() as stack:
        begin = time.monotonic()
        clients = [stack.enter_context(_connect(service, HEAD_LIMIT)) for _ in range(tries)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: local")
        if service.ask("GET", "/readyz")[0] != 200:
            row.failures.append("others were not answered meanwhile")
        for number, client in enumerate(clients):
            with contextlib.suppress(TimeoutError):
                _read_all(client)
            if time.monotonic() - begin > HEAD_LIMIT:
                row.failures.append(f"{number}: still open")
    return row


def deaf_clients(bundle: Path, tries: int) -> Row:
    """Clients that do not read what they asked for."""
    row = Row("client that does not read", "serve", tries)
    body = json.dumps(HEAVY).encode()
    request = b"POST /v1/recommend/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with _serving(bundle, "--timeout", 600) as service, contextlib.ExitStack() as stack:
        for _ in range(tries):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", service.port))
            client.sendall(request)
        until(lambda: _metric(service, "hiersrec_batch_sessions_sum") == tries * len(HEAVY["sessions"]))
        begin = time.monotonic()
        unread = 'hiersrec_refused_connections_total{reason="unread"}'
        until(lambda: _metric(service, unread) == tries or time.monotonic() - begin > UNREAD_LIMIT)
        if (cut := _metric(service, unread)) < tries:
            row.failures.append(f"{tries - cut} are still open")
    return row


@dataclass
class Load:
    """Clients that ask without a pause in threads, until `stop`."""

    service: Service
    expected: dict[str, list[ExternalId]]
    """Version of a model -> the items of its answer to SESSION."""
    keep: bool = True
    """Whether a client keeps its connection."""
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def start(self, clients: int, path: str, body: dict[str, Any], check: bool = True) -> None:
        for _ in range(clients):
            thread = threading.Thread(target=self._ask, args=(path, json.dumps(body), check))
            self.threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self.enough.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, path: str, body: str, check: bool) -> None:
        connection = None
        while not self.enough.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
            begin = time.monotonic()
            try:
                connection.request("POST", path, body)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                # A kept connection may be closed between two requests; a new one is then refused.
                self.outcomes[type(error).__name__] += 1
                connection.close()
                connection = None
                if isinstance(error, ConnectionRefusedError):
                    return
                continue
            if check:
                self.seconds.append(time.monotonic() - begin)
                self.outcomes[self._verdict(answer.status, content)] += 1
            else:
                self.outcomes[f"heavy {answer.status}"] += 1
                time.sleep(1.0 if answer.status == 503 else 0)  # as Retry-After says
            if not self.keep:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _verdict(self, status: int, content: bytes) -> str:
        if status != 200:
            return str(status)
        document = json.loads(content)
        items = [item["item_id"] for item in document["items"]]
        return "200" if items == self.expected.get(document["model_version"]) else "wrong"


SESSION = ["a0", "b1", "c2"]
ORDINARY = {"session": SESSION, "k": 10}
HEAVY = {"sessions": [SESSION] * 256, "k": 31, "explain": True}


def mixed_load(bundle: Path, tries: int, judge_time: bool = False) -> Row:
    """An ordinary client next to four heavy ones."""
    row = Row("mixed load", "serve, an ordinary client", tries)
    with _serving(bundle) as service:
        until(service.complete)
        load = Load(service, _answers(bundle))
        load.start(4, "/v1/recommend/batch", HEAVY, check=False)
        try:
            until(lambda: load.outcomes["heavy 200"] >= min(8, tries))
            before = _memory(service)
            load.start(1, "/v1/recommend", ORDINARY)
            until(lambda: len(load.seconds) >= tries)
            growth = _memory(service) - before
        finally:
            load.stop()
    p99 = float(np.quantile(load.seconds, 0.99))
    row.target += f" (p99 {1000 * p99:.0f} ms, memory {growth / 2**20:+.0f} MiB)"
    bad = {name: count for name, count in load.outcomes.items() if name not in ("200", "heavy 200", "heavy 503")}
    row.failures += [f"{count} times {name}" for name, count in bad.items()]
    if growth > MOST_GROWTH:
        row.failures.append(f"memory grew by {growth:,} bytes")
    if judge_time and p99 > P99:
        row.failures.append(f"p99 was {p99:.3f} seconds")
    return row


def reloads(bundle: Path, folder: Path, tries: int, pause: float = 0) -> Row:
    """Two bundles with other answers take turns under load; `pause` seconds between them."""
    row = Row("SIGHUP under load", "serve", tries)
    served, other = folder / "served", _opposite(bundle, folder / "opposite")
    shutil.copytree(bundle, served)
    expected = _answers(bundle) | _answers(other)
    assert len({json.dumps(items) for items in expected.values()}) == 2, "the bundles must differ"
    with _serving(served) as service:
        until(service.complete)
        load = Load(service, expected)
        load.start(4, "/v1/recommend", ORDINARY)
        try:
            for number in range(tries):
                source = (other, bundle)[number % 2]
                aside = shutil.copytree(source, folder / "next")
                served.rename(folder / "before")
                Path(aside).rename(served)
                shutil.rmtree(folder / "before")
                service.process.send_signal(signal.SIGHUP)
                version = json.loads((source / "bundle.json").read_text(encoding="utf-8"))["model_version"]
                until(lambda version=version: service.models() == {version: 2})
                time.sleep(pause)
        finally:
            load.stop()
        code = _stop(service)
    shutil.rmtree(served)
    row.target += f" ({sum(load.outcomes.values()):,} answers)"
    row.failures += [f"{count} times {name}" for name, count in load.outcomes.items() if name != "200"]
    if code != 0 or "Traceback" in service.text:
        row.failures.append(f"exit code {code}: {service.text[-2000:]}")
    return row


def stops(bundle: Path, tries: int) -> Row:
    """The signal to stop, while clients open connection after connection."""
    row = Row("SIGTERM under load", "serve", tries)
    expected, outcomes = _answers(bundle), Counter[str]()
    for number in range(tries):
        with _serving(bundle) as service:
            until(service.complete)
            load = Load(service, expected, keep=False)
            load.start(8, "/v1/recommend", ORDINARY)
            until(lambda load=load: load.outcomes["200"] > 50)
            begin = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait(60)
            seconds = time.monotonic() - begin
            load.stop()
        outcomes += load.outcomes
        # A connection that is made in the instant in which the socket is closed is reset, and no server can help it.
        allowed = {"200": 10**9, "503": 10**9, "ConnectionRefusedError": 10**9, "ConnectionResetError": 1}
        bad = {name: count for name, count in load.outcomes.items() if count > allowed.get(name, 0)}
        row.failures += [f"{number}: {count} times {name}" for name, count in bad.items()]
        if code != 0 or seconds > STOP_LIMIT:
            row.failures.append(f"{number}: exit code {code} after {seconds:.1f} seconds")
    counts = f"{outcomes['200']:,} answers, {outcomes['ConnectionRefusedError']} refused"
    row.target += f" ({counts}, {outcomes['ConnectionResetError']} reset)"
    return row


def _opposite(bundle: Path, folder: Path) -> Path:
    """A copy whose scores have the other sign."""
    shutil.copytree(bundle, folder)
    np.save(folder / "vectors.npy", -np.load(folder / "vectors.npy"))
    document = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    files = [folder / name for name in document.pop("files")]
    seal(folder, "bundle", document | {"model_version": "opposite"}, files)
    return folder


def _answers(bundle: Path) -> dict[str, list[ExternalId]]:
    recommender = Recommender.load(bundle)
    [answer] = recommender.recommend([SESSION], 10)
    assert recommender.model_version is not None
    return {recommender.model_version: [item.item_id for item in answer.items]}


@contextlib.contextmanager
def _serving(bundle: Path, *args: object) -> Iterator[Service]:
    with started(bundle, "--workers", 2, *args) as service:
        service.wait()
        yield service


def _connect(service: Service, timeout: float = 20) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=timeout)


def _read_all(client: socket.socket, quiet: float | None = None) -> bytes:
    """All that comes; after so many quiet seconds the server is told that no more is sent."""
    parts: list[bytes] = []
    if quiet is not None:
        patience = client.gettimeout()
        client.settimeout(quiet)
        with contextlib.suppress(TimeoutError):
            while part := client.recv(1 << 16):
                parts.append(part)
        client.settimeout(patience)
        client.shutdown(socket.SHUT_WR)
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def _metric(service: Service, name: str) -> int:
    """A metric, summed over the workers."""
    lines = service.ask("GET", "/metrics")[1].decode().splitlines()
    return sum(int(float(line.removeprefix(name))) for line in lines if line.startswith(f"{name} "))


def _memory(service: Service) -> int:
    """Bytes that the workers hold for themselves alone."""
    pages = [Path(f"/proc/{worker}/smaps_rollup").read_text() for worker in service.workers()]
    lines = [line for page in pages for line in page.splitlines() if line.startswith("Private_Dirty:")]
    return 1024 * sum(int(line.split()[1]) for line in lines)


def _stop(service: Service) -> int:
    service.process.send_signal(signal.SIGTERM)
    return service.process.wait(60)
