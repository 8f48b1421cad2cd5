"""How many requests a second does the service answer, and how long does one take, on one core?

    .venv/bin/python benchmarks/http_load.py BUNDLE --data DIR [--rates 100 250 500] [--json FILE]

The server is `hiersrec serve BUNDLE` as a process of its own, held to core 0; the generator (http_client.py) is held to
core 1. The load is open: requests are due at a constant rate. `--wishes` are more fields of the body, as JSON.
`--seconds 300` makes it a soak: each rate has the memory of the server.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from http_client import bodies, press, requests_to, started
from measuring import machine, show, status, versions, write_json

from hiersrec.store.dataset import Dataset


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
    found: dict[str, Any] = {
        "machine": machine(1),
        "versions": versions("hiersrec", "uvicorn", "fastapi", "onnxruntime", "numpy"),
        "items": dataset.catalog.num_items,
        "connections": wanted.connections,
        "wishes": wanted.wishes,
        "rates": [],
    }
    print(found)
    command = [sys.executable, "-m", "hiersrec", "serve", wanted.bundle, "--port", "0", *wanted.server]
    requests = requests_to("/v1/recommend", bodies(dataset, wanted.wishes))
    rows = []
    with started(command, {0}) as server:
        os.sched_setaffinity(0, {1})
        for rate in wanted.rates:
            load = asyncio.run(
                press(server.port, wanted.seconds, wanted.connections, requests, rate=rate, server=server.pid)
            )
            p50, p90, p99 = load.milliseconds(50, 90, 99)
            line = {
                "rate": rate,
                "answered_per_s": load.answers / load.length,
                "p50_ms": p50,
                "p90_ms": p90,
                "p99_ms": p99,
                "codes": {code: count for code, count in load.codes.items() if count},
                "processor_ms_per_request": 1e3 * load.used / max(1, load.answers),
                "server_mb": status("VmRSS", server.pid) / 1e6,
                "server_own_mb": status("RssAnon", server.pid) / 1e6,
            }
            found["rates"].append(line)
            numbers = (p50, p90, p99, line["processor_ms_per_request"])
            codes = ", ".join(f"{code}: {count}" for code, count in line["codes"].items())
            memory = f"{line['server_mb']:.0f} / {line['server_own_mb']:.0f}"
            rows.append(
                [f"{rate:g}", f"{line['answered_per_s']:.0f}", *(f"{one:.2f}" for one in numbers), codes, memory]
            )
        show(["requests/s due", "answered/s", "p50 ms", "p90 ms", "p99 ms", "cpu ms", "status", "MB / own"], rows)
    found["exit_code"] = server.exit_code
    print("exit code of the server:", found["exit_code"])
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
