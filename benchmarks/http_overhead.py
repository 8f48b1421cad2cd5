"""What does a request cost, compared with the least that the same framework can do, and what do more workers add?

    .venv/bin/python benchmarks/http_overhead.py BUNDLE --data DIR [--workers 1 2] [--rounds 3] [--json FILE]

The other system is bare_app.py: one endpoint of FastAPI on uvicorn, with the same protocol library and the same number
of workers, that checks the same bodies and answers each with the same bytes, those of a real answer. Both servers are
up, and take turns under each load: 100 requests a second in an open loop, all that they answer in a closed one
(saturation), and half of that in an open loop again.

CPU is user and system time of all processes of the server, less what they use without requests, divided by the answers.
One worker is held to core 0 and the generator to core 1; more workers share all cores with the generator. So `own` is
the generator's CPU a request, and `capacity` what the workers could answer if each had a core: workers / CPU a request.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from http_client import Server, bodies, first_answer, press, processor_seconds, requests_to, started
from measuring import machine, show, versions, write_json

from hiersrec.store.dataset import Dataset

RATE = 100.0
"""Requests a second of the low load."""
TYPICAL = 101
"""Requests whose median answer the bare endpoint gives."""
HERE = Path(__file__).parent
NUMBERS = ("answered_per_s", "p50_ms", "p90_ms", "p99_ms", "cpu_ms", "own_ms", "capacity_per_s")
LOADS = ("100/s, open loop", "saturation, closed loop", "half of saturation, open loop")


async def idle(server: Server, seconds: float) -> float:
    """CPU seconds that a server uses in a second without requests."""
    before = processor_seconds(server.pid)
    await asyncio.sleep(seconds)
    return (processor_seconds(server.pid) - before) / seconds


def measure(
    server: Server, workers: int, rate: float | None, wanted: argparse.Namespace, requests: Iterator[bytes]
) -> dict[str, Any]:
    """One server under one load."""
    resting = asyncio.run(idle(server, wanted.seconds / 4))
    load = asyncio.run(press(server.port, wanted.seconds, wanted.connections, requests, rate=rate, server=server.pid))
    p50, p90, p99 = load.milliseconds(50, 90, 99)
    cpu = 1e3 * (load.used - resting * load.length) / max(1, load.answers)
    values = (
        load.answers / load.length,
        p50,
        p90,
        p99,
        cpu,
        1e3 * load.own / max(1, load.answers),
        1e3 * workers / cpu,
    )
    failed = {code: count for code, count in load.codes.items() if count and code != "200"}
    return {**dict(zip(NUMBERS, values, strict=True)), "not_200": failed, "idle_ms_per_s": 1e3 * resting}


def compare(workers: int, wanted: argparse.Namespace, dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    """All loads on both servers, in turns -> one entry for each round, load and server."""
    every = set(range(os.cpu_count() or 1))
    cores, other = (every, every) if workers > 1 else ({0}, {1})
    os.sched_setaffinity(0, other)
    ours = [sys.executable, "-m", "hiersrec", "serve", wanted.bundle, "--port", "0", "--workers", workers]
    bare = [sys.executable, "-m", "uvicorn", "bare_app:app", "--app-dir", HERE, "--http", "httptools", "--port", "0"]
    bare += ["--no-access-log", "--workers", workers]
    answer, entries = folder / "answer.json", []
    requests = requests_to("/v1/recommend", bodies(dataset, {}))
    with started([*map(str, ours)], cores) as hiersrec:
        answers = sorted((first_answer(hiersrec.port, one) for one in islice(requests, TYPICAL)), key=len)
        answer.write_bytes(answers[len(answers) // 2])
        with started([*map(str, bare)], cores, {"ANSWER": str(answer)}) as plain:
            servers = {"hiersrec": hiersrec, "bare": plain}
            for number in range(wanted.rounds):
                most: dict[str, float] = {}
                for load in LOADS:
                    for name, server in servers.items():
                        rate = {LOADS[0]: RATE, LOADS[1]: None}.get(load, most.get(name, 0) / 2)
                        found = measure(server, workers, rate, wanted, requests)
                        if load == LOADS[1]:
                            most[name] = found["answered_per_s"]
                        entries.append({"workers": workers, "round": number, "load": load, "server": name, **found})
    return entries


def median(entries: list[dict[str, Any]], **chosen: object) -> dict[str, float]:
    """Medians over the rounds of the entries with these values."""
    rows = [entry for entry in entries if all(entry[name] == value for name, value in chosen.items())]
    return {name: statistics.median(row[name] for row in rows) for name in NUMBERS}


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    dataset = Dataset.open(wanted.data)
    packages = ("hiersrec", "uvicorn", "fastapi", "httptools", "uvloop", "onnxruntime", "numpy")
    document = {"machine": machine(1), "versions": versions(*packages), "items": dataset.catalog.num_items}
    print(document)
    entries: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for workers in wanted.workers:
            entries += compare(workers, wanted, dataset, Path(folder))
    rows = []
    for workers in wanted.workers:
        for load in LOADS:
            of_bare = median(entries, workers=workers, load=load, server="bare")
            for name in ("hiersrec", "bare"):
                found = median(entries, workers=workers, load=load, server=name)
                numbers = [found[number] for number in ("p50_ms", "p90_ms", "p99_ms", "cpu_ms")]
                times = found["cpu_ms"] / of_bare["cpu_ms"]
                cells = [
                    f"{found['answered_per_s']:.0f}",
                    *(f"{one:.2f}" for one in (*numbers, times, found["own_ms"])),
                ]
                rows.append([load, str(workers), name, *cells, f"{found['capacity_per_s']:.0f}"])
    headers = ["load", "workers", "server", "answered/s", "p50 ms", "p90 ms", "p99 ms", "cpu ms", "times bare"]
    show([*headers, "own ms", "capacity/s"], rows)
    for entry in entries:
        if entry["not_200"]:
            print("not 200:", entry)
    write_json(wanted.json, {**document, "entries": entries})


if __name__ == "__main__":
    main()
