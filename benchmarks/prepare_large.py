"""How much time and memory does `hiersrec prepare` need for 100 million events, stage by stage?

    .venv/bin/python benchmarks/prepare_large.py [--events 100000000] [--items 1000000] [--work DIR] [--json FILE]

The events are those of a made-up shop (shop.py), as Parquet parts. `prepare` is a process of its own, watched from
outside: resident memory at its height, with the pages of the files it maps and without them, the proportional set size,
and seconds from each line that it writes to the next. The exit code is 1 if it took more than the limit, 8 GB.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from child import Watched, stages, watched
from measuring import machine, show, versions, write_json
from shop import Shop, write_events

LIMIT = 8e9
DISK = 120
"""Bytes of an event on disk: its Parquet file, and while it is prepared scratch tables and the dataset folder. 74 were
measured at 10 million events."""


def sessions_for(shop: Shop, events: int) -> int:
    """The number of sessions that have about this many events."""
    return max(2, round(events / (shop.events(0, 10_000) / 10_000)))


def main() -> None:
    """Make the events, prepare them, say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000_000, help="about")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--work", type=Path, help="folder for the data, which are removed [default: the system's]")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.work) as folder:
        if (free := shutil.disk_usage(folder).free) < (need := DISK * wanted.events):
            sys.exit(
                f"This needs about {need / 1e9:.0f} GB of disk, and {free / 1e9:.0f} are free. Name another --work."
            )
        shop, data = Path(folder) / "shop", Path(folder) / "data"
        start = time.perf_counter()
        made = Shop(wanted.items)
        sessions = sessions_for(made, wanted.events)
        events = write_events(made, sessions, shop)
        size = sum(path.stat().st_size for path in shop.rglob("*.parquet"))
        print(f"{events:,} events of {sessions:,} sessions, {size / 1e9:.2f} GB, {time.perf_counter() - start:.0f} s")
        command = [sys.executable, "-m", "hiersrec", "prepare", shop / "events", "--items", shop / "items.parquet"]
        seen = watched([*command, "--split", "fraction:0.01", "--out", data], wanted.threads)
        written = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    _report(seen, events, written)
    found: dict[str, Any] = {
        "machine": machine(wanted.threads),
        "versions": versions("duckdb", "ibis-framework", "pyarrow", "hiersrec"),
        **{"items": wanted.items, "sessions": sessions, "events": events, "dataset_bytes": written},
        **{"seconds": seen.seconds, "exit_code": seen.code, **seen.bytes(), "stages": stages(seen)},
    }
    print(found["machine"], found["versions"])
    write_json(wanted.json, found)
    if seen.code or seen.peak > LIMIT:
        sys.exit(1)


def _report(seen: Watched, events: int, written: int) -> None:
    rows = [[one["stage"], f"{one['seconds']:.1f}", f"{one['resident'] / 1e9:.2f}"] for one in stages(seen)]
    show(["from this line to the next", "s", "GB at its start"], rows)
    print(f"\nexit code {seen.code}, {seen.seconds:.0f} s, {1e6 * seen.seconds / events:.2f} us an event")
    print(
        f"peak {seen.peak / 1e9:.2f} GB resident, {seen.peak / events:.0f} bytes an event (limit {LIMIT / 1e9:.0f} GB)"
    )
    print(f"{seen.own / 1e9:.2f} GB of it no files; proportional set size {seen.shared / 1e9:.2f} GB")
    print(f"dataset folder {written / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
