"""How many requests a second does the service answer, and how long does one take, on one core?

    .venv/bin/python benchmarks/http_load.py BUNDLE --data DIR [--rates 100 250 500] [--json FILE]

The server is `hiersrec serve BUNDLE` as a process of its own, held to core 0; this generator is held to core 1. The
load is open: requests are due at a constant rate, whether or not earlier ones were answered, and a latency begins when
its request was due, so a server that stalls is charged for all that wait (no coordinated omission). Connections are
kept alive; one that is free takes the next request.

Requests replay the test sessions of DIR in the order of the dataset, 200 at a time, taking turns: each request is the
session so far, one item longer than that session's last. A warm-up at each rate does not count. `--wishes` are more
fields of the body, as JSON. `--seconds 300` makes it a soak: each rate has the memory of the server.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measuring import environment, machine, show, status, versions, write_json

from hiersrec.store.dataset import Dataset

TOGETHER = 200
"""Sessions that are live at a time."""
WARM_UP = 2.0
"""Seconds at each rate that don't count."""
PATIENCE = 20.0
"""Seconds after the last request that answers are waited for."""


def bodies(dataset: Dataset, wishes: dict[str, Any]) -> Iterator[bytes]:
    """Bodies of requests, for ever."""
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


@dataclass
class Load:
    """One rate, while it runs: requests that are due and wait for a connection, and what became of the others."""

    free: "list[Connection]" = field(default_factory=list)
    due: "deque[tuple[float, bytes]]" = field(default_factory=deque)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    """When a request was due, and how long it took from then."""
    codes: Counter[str] = field(default_factory=Counter)

    def send(self) -> None:
        """Give what is due to connections that are free."""
        while self.due and self.free:
            self.free.pop().ask(*self.due.popleft())

    def answered(self, due: float, code: str) -> None:
        """Note an answer."""
        self.codes[code] += 1
        self.seconds.append((due, time.perf_counter() - due))


class Connection(asyncio.Protocol):
    """One kept-alive connection, with one request at a time."""

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
            self.load.answered(self.due, "lost")


async def press(port: int, rate: float, seconds: float, connections: int, requests: Iterator[bytes]) -> Load:
    """Send requests at a rate, for a number of seconds after the warm-up."""
    load, loop = Load(), asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    start = time.perf_counter() + 0.1
    for number in range(round(rate * (WARM_UP + seconds))):
        due = start + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        load.due.append((due, next(requests)))
        load.send()
    end = time.perf_counter() + PATIENCE
    while (load.due or any(one.busy for _, one in made)) and time.perf_counter() < end:
        await asyncio.sleep(0.01)
    load.codes["no answer"] += len(load.due) + sum(one.busy for _, one in made)
    for transport, _ in made:
        transport.close()
    load.seconds = [(due, took) for due, took in load.seconds if due >= start + WARM_UP]
    return load


def requests_to(port: int, path: str, contents: Iterator[bytes]) -> Iterator[bytes]:
    """The same as whole HTTP requests."""
    for body in contents:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def processor_seconds(process: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(bundle: Path, flags: list[str]) -> tuple["subprocess.Popen[str]", int]:
    """The server, held to core 0, and its port."""
    server = subprocess.Popen(
        [sys.executable, "-m", "hiersrec", "serve", str(bundle), "--port", "0", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(1),
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            _wait_for(int(found[1]))
            return server, int(found[1])
    raise SystemExit("the server did not start")


def _wait_for(port: int) -> None:
    """Until the model is open and the server takes connections."""
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Measure each rate in turn on one server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=[100, 250, 500, 750, 1000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--wishes", type=json.loads, default={}, help='such as {"candidates": {"policy": "all"}}')
    parser.add_argument("--server", nargs="*", default=[], help="more words for hiersrec serve")
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    dataset = Dataset.open(wanted.data)
    server, port = started(wanted.bundle, wanted.server)
    os.sched_setaffinity(0, {1})
    found: dict[str, Any] = {
        "machine": machine(1),
        "versions": versions("hiersrec", "uvicorn", "fastapi", "onnxruntime", "numpy"),
        "items": dataset.catalog.num_items,
        "connections": wanted.connections,
        "wishes": wanted.wishes,
        "rates": [],
    }
    print(found)
    try:
        requests = requests_to(port, "/v1/recommend", bodies(dataset, wanted.wishes))
        rows = []
        for rate in wanted.rates:
            before = processor_seconds(server.pid)
            load = asyncio.run(press(port, rate, wanted.seconds, wanted.connections, requests))
            times = 1e3 * np.array([took for _, took in load.seconds] or [np.nan])
            p50, p90, p99 = np.percentile(times, (50, 90, 99))
            used = (processor_seconds(server.pid) - before) / max(1, sum(load.codes.values()))
            line = {
                "rate": rate,
                "answered_per_s": len(load.seconds) / wanted.seconds,
                "p50_ms": p50,
                "p90_ms": p90,
                "p99_ms": p99,
                "codes": {code: count for code, count in load.codes.items() if count},
                "processor_ms_per_request": 1e3 * used,
                "server_mb": status("VmRSS", server.pid) / 1e6,
                "server_own_mb": status("RssAnon", server.pid) / 1e6,
            }
            found["rates"].append(line)
            numbers = (line["p50_ms"], line["p90_ms"], line["p99_ms"], line["processor_ms_per_request"])
            codes = ", ".join(f"{code}: {count}" for code, count in line["codes"].items())
            memory = f"{line['server_mb']:.0f} / {line['server_own_mb']:.0f}"
            rows.append(
                [f"{rate:g}", f"{line['answered_per_s']:.0f}", *(f"{one:.2f}" for one in numbers), codes, memory]
            )
        show(["requests/s due", "answered/s", "p50 ms", "p90 ms", "p99 ms", "cpu ms", "status", "MB / own"], rows)
    finally:
        server.send_signal(signal.SIGTERM)
        found["exit_code"] = server.wait(30)
    print("exit code of the server:", found["exit_code"])
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
