"""What do preparation and training cost as the sessions grow?

    .venv/bin/python benchmarks/growing_sessions.py [--json FILE] [--picture docs/figures] [--work DIR]

Events of a made-up shop of 43,097 items (shop.py) go through `hiersrec prepare`, and the default recipe trains some
steps on the folder; both are processes of their own, watched from outside. Memory is resident memory at its height and
the part of it that is no mapped file: the arrays of a dataset folder are mapped, so only the order of the examples and
what is known of each need memory that grows. The number of steps is fixed, so their time should not change.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from child import watched
from measuring import Clock, machine, show, versions, write_json
from picture import lines
from shop import Shop, write_events

SESSIONS, ITEMS = (100_000, 1_000_000, 3_000_000, 10_000_000), 43_097
MEAN = 5
"""Events of a session, about."""
DISK = 120
"""Bytes of an event on disk: its Parquet file, and while it is prepared scratch tables and the dataset folder. 74 were
measured at 10 million events."""
WARM_UP = 3


def measure(sessions: int, work: Path, steps: int, threads: int) -> dict[str, Any]:
    """One size, in a folder that holds nothing else."""
    shop, data = work / "shop", work / "data"
    events = write_events(Shop(ITEMS), sessions, shop)
    command = [sys.executable, "-m", "hiersrec", "prepare", shop / "events", "--items", shop / "items.parquet"]
    prepared = watched([*command, "--split", "fraction:0.01", "--out", data], threads)
    found = {"sessions": sessions, "events": events}
    if prepared.code:
        return {**found, "failed": f"prepare: {prepared.lines[-1][2] if prepared.lines else prepared.code}"}
    found["prepare"] = {"seconds": prepared.seconds, **prepared.bytes()}
    trained = watched([sys.executable, __file__, "--one", data, "--steps", str(steps)], threads)
    if trained.code:
        return {**found, "failed": f"train: {trained.lines[-1][2] if trained.lines else trained.code}"}
    found["train"] = {**json.loads(trained.output.strip().splitlines()[-1]), **trained.bytes()}
    return found


def main() -> None:
    """Train here, or measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=SESSIONS)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--picture", type=Path, help="folder for growing-sessions.svg")
    parser.add_argument("--work", type=Path, help="folder for the data, which are removed [default: the system's]")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        from steps import timed

        print(json.dumps(timed(wanted.one, "hiersrec", [], Clock(WARM_UP, wanted.steps, float("inf")))))
        return
    found: list[dict[str, Any]] = []
    for sessions in wanted.sessions:
        with tempfile.TemporaryDirectory(dir=wanted.work) as folder:
            if (free := shutil.disk_usage(folder).free) < (need := DISK * MEAN * sessions):
                found.append(
                    {"sessions": sessions, "failed": f"not run: {need / 1e9:.0f} GB of disk, {free / 1e9:.0f} free"}
                )
            else:
                found.append(measure(sessions, Path(folder), wanted.steps, wanted.threads))
    print(machine(wanted.threads), versions("torch", "duckdb", "hiersrec"))
    head = ["sessions", "events", "prepare s", "us an event", "peak GB", "B an event"]
    head += ["train ms an example", "s to the first step", "peak GB", "own GB", "own B an event"]
    show(head, [_row(one) for one in found])
    measured = {"machine": machine(wanted.threads), "versions": versions("torch", "duckdb", "hiersrec"), "sizes": found}
    write_json(wanted.json, measured)
    if wanted.picture:
        done = [one for one in found if "failed" not in one]
        time = {
            "prepare, us an event": [
                (one["sessions"], 1e6 * one["prepare"]["seconds"] / one["events"]) for one in done
            ],
            "train, ms an example": [(one["sessions"], 1e3 / one["train"]["examples_per_s"]) for one in done],
        }
        memory = {
            "prepare": [(one["sessions"], one["prepare"]["peak"] / 1e9) for one in done],
            "train": [(one["sessions"], one["train"]["peak"] / 1e9) for one in done],
            "train, no mapped files": [(one["sessions"], one["train"]["own"] / 1e9) for one in done],
        }
        lines(wanted.picture, "growing-sessions", "sessions", {"time": time, "peak memory, GB": memory})


def _row(one: dict[str, Any]) -> list[str]:
    if "failed" in one:
        return [f"{one['sessions']:,}", one["failed"], *[""] * 9]
    prepare, train, events = one["prepare"], one["train"], one["events"]
    return [
        f"{one['sessions']:,}",
        f"{events:,}",
        f"{prepare['seconds']:.1f}",
        f"{1e6 * prepare['seconds'] / events:.2f}",
        f"{prepare['peak'] / 1e9:.2f}",
        f"{prepare['peak'] / events:,.0f}",
        f"{1e3 / train['examples_per_s']:.2f}",
        f"{train['seconds_to_first_step']:.1f}",
        f"{train['peak'] / 1e9:.2f}",
        f"{train['own'] / 1e9:.2f}",
        f"{train['own'] / events:,.0f}",
    ]


if __name__ == "__main__":
    main()
