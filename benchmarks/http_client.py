"""A client of the service for measurements: load in an open or a closed loop, and processor time of the server.

An open loop sends at a constant rate, whether or not earlier requests were answered, and a latency begins when its
request was due, so a server that stalls is charged for all that wait (no coordinated omission). A closed loop keeps
all connections busy: each sends its next request as soon as it has an answer. Both begin with a warm-up, which does not
count. Connections are kept alive.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measuring import environment

from hiersrec.store.dataset import Dataset

TOGETHER = 200
"""Sessions that are live at a time."""
WARM_UP = 2.0
"""Seconds that don't count."""
PATIENCE = 20.0
"""Seconds after the last request that answers are waited for."""


def bodies(dataset: Dataset, wishes: dict[str, Any]) -> Iterator[bytes]:
    """Bodies of requests, for ever: test sessions in the order of the dataset, 200 at a time, taking turns.

    Each is the session so far, one item longer than that session's last. wishes: more fields.
    """
    sessions, catalog = dataset.sessions("test"), dataset.catalog
    while True:
        waiting = iter(range(len(sessions)))
        live: deque[tuple[list[Any], int]] = deque()
        while True:
            while len(live) < TOGETHER and (row := next(waiting, None)) is not None:
                known = sessions[row][sessions[row] > 0]
                if len(known) > 1:
                    live.append((catalog.to_external(known), 1))
            if not live:
                break
            ids, length = live.popleft()
            yield json.dumps({"session": ids[:length], **wishes}).encode()
            if length + 1 < len(ids):
                live.append((ids, length + 1))


def requests_to(path: str, contents: Iterator[bytes]) -> Iterator[bytes]:
    """The same as whole HTTP requests."""
    for body in contents:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Load:
    """Requests while they run: those that are due and wait for a connection, and what became of the others."""

    free: "list[Connection]" = field(default_factory=list)
    due: "deque[tuple[float, bytes]]" = field(default_factory=deque)
    more: "Iterator[bytes] | None" = None
    """In a closed loop, what connections send next."""
    seconds: list[tuple[float, float]] = field(default_factory=list)
    """When a request was due, and how long it took from then."""
    codes: Counter[str] = field(default_factory=Counter)
    used: float = 0.0
    """Seconds of processor that the server used from the end of the warm-up on."""
    own: float = 0.0
    """The same of this process."""
    answers: int = 0
    """Answers in that time."""
    length: float = 0.0
    """Seconds of it."""

    def send(self) -> None:
        """Give what is due to connections that are free."""
        while self.free and (self.due or self.more):
            if self.due:
                self.free.pop().ask(*self.due.popleft())
            elif self.more:
                self.free.pop().ask(time.perf_counter(), next(self.more))

    def answered(self, due: float, code: str) -> None:
        """Note an answer."""
        self.codes[code] += 1
        self.seconds.append((due, time.perf_counter() - due))

    def milliseconds(self, *percents: float) -> list[float]:
        """Percentiles of the latencies."""
        values = np.percentile([took for _, took in self.seconds] or [np.nan], percents)
        return [1e3 * float(value) for value in values]


class Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load, self.due, self.held, self.wanted = load, 0.0, b"", 0
        self.busy = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ready for requests."""
        self.transport = transport
        self.load.free.append(self)

    def ask(self, due: float, request: bytes) -> None:
        """Send a request."""
        self.due, self.held, self.wanted, self.busy = due, b"", 0, True
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer: head, then as many bytes as it says."""
        self.held += data
        if not self.wanted:
            head, found, _ = self.held.partition(b"\r\n\r\n")
            if not found:
                return
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            self.wanted = len(head) + 4 + (int(length[1]) if length else 0)
        if len(self.held) >= self.wanted:
            self.busy = False
            self.load.answered(self.due, self.held[9:12].decode())
            self.load.free.append(self)
            self.load.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """A lost connection with a request on it is an error of the server's."""
        del exc
        if self in self.load.free:
            self.load.free.remove(self)
        if self.busy:
            self.busy = False
            self.load.answered(self.due, "lost")


async def press(
    port: int, seconds: float, connections: int, requests: Iterator[bytes], *, rate: float | None, server: int
) -> Load:
    """Send requests for a number of seconds after the warm-up: at a rate, or in a closed loop where that is None.

    server: the process whose processor time is noted, with its children.
    """
    load, loop = Load(), asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    start = time.perf_counter() + 0.1
    noted = loop.create_task(_note(load, start + WARM_UP, seconds, server))
    if rate is None:
        load.more = requests
        load.send()
        await asyncio.sleep(start + WARM_UP + seconds - time.perf_counter())
        load.more = None
    else:
        for number in range(round(rate * (WARM_UP + seconds))):
            due = start + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            load.due.append((due, next(requests)))
            load.send()
    await noted
    end = time.perf_counter() + PATIENCE
    while (load.due or any(one.busy for _, one in made)) and time.perf_counter() < end:
        await asyncio.sleep(0.01)
    load.codes["no answer"] += len(load.due) + sum(one.busy for _, one in made)
    for transport, _ in made:
        transport.close()
    load.seconds = [(due, took) for due, took in load.seconds if due >= start + WARM_UP]
    return load


async def _note(load: Load, start: float, seconds: float, server: int) -> None:
    """Note processor time and answers between two moments."""
    await asyncio.sleep(start - time.perf_counter())
    begun, used, own, answers = time.perf_counter(), processor_seconds(server), time.process_time(), len(load.seconds)
    await asyncio.sleep(seconds)
    load.length = time.perf_counter() - begun
    load.used, load.own = processor_seconds(server) - used, time.process_time() - own
    load.answers = len(load.seconds) - answers


def processor_seconds(process: int) -> float:
    """Seconds of processor that a process and its children have used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(
        map(processor_seconds, map(int, children))
    )


@contextlib.contextmanager
def started(command: Sequence[str | Path], cores: set[int], more: dict[str, str] | None = None) -> Iterator["Server"]:
    """A server, held to cores, that names its address on standard error.

    more: environment variables. When the block ends it is stopped, and `exit_code` is known.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(1) | (more or {}),
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    server = Server(process.pid, _port(process))
    try:
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        server.exit_code = process.wait(30)


@dataclass
class Server:
    """A process that answers at a port."""

    pid: int
    port: int
    exit_code: int | None = None


def _port(process: "subprocess.Popen[str]") -> int:
    """The port that a server names, once it takes connections."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            _wait_for(int(found[1]))
            return int(found[1])
    raise SystemExit("the server did not start")


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def first_answer(port: int, request: bytes) -> bytes:
    """The body of the answer to one request."""

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length, head
        body = await reader.readexactly(int(length[1]))
        writer.close()
        return body

    return asyncio.run(ask())
