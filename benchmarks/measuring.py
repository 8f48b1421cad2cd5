"""Shared code that the Python of other libraries can run too: a clock of steps, memory, child processes, tables."""

import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIMIT = 16e9
"""Bytes that a measurement may take: what is estimated to need more is not run, and the table says so."""


class Enough(Exception):
    """The steps wanted are done."""


class Clock:
    """Times the steps of a training after a warm-up. `tick` raises Enough after a number of steps or seconds.

    A system that needs all these seconds for one step is left out: it is done after its second.
    """

    def __init__(self, warm_up: int, steps: int, seconds: float) -> None:
        self.warm_up, self.steps, self.seconds = warm_up, steps, seconds
        self.ticks, self.examples, self.made = 0, 0, time.perf_counter()
        self.first = self.begun = self.last = self.longest = 0.0

    def tick(self, examples: int) -> None:
        """A step on this number of examples (next items) is done."""
        before, self.last = self.last, time.perf_counter()
        self.ticks += 1
        self.longest = max(self.longest, self.last - before if before else 0.0)
        self.first = self.first or self.last
        if self.longest > self.seconds > 0:
            raise Enough
        if self.ticks <= self.warm_up:
            self.begun = self.last
            return
        self.examples += examples
        if self.ticks == self.warm_up + self.steps or self.last - self.begun > self.seconds:
            raise Enough

    def found(self) -> dict[str, Any]:
        """What was measured, or {"failed": reason}."""
        if self.longest > self.seconds > 0:
            return {"failed": f"left out: a step took {self.longest:.0f} s"}
        assert self.examples, "a training has more steps than the warm-up"
        seconds = self.last - self.begun
        return {
            "examples_per_s": self.examples / seconds,
            "examples": self.examples,
            "steps": self.ticks - self.warm_up,
            "seconds": seconds,
            "seconds_to_first_step": self.first - self.made,
        }


def status(field: str, process: int | str = "self") -> int:
    """Bytes of a field of /proc/PID/status: VmRSS is resident memory, RssAnon its own part, VmHWM the most so far.

    Not ru_maxrss, in which a process inherits the height of the one that started it.
    """
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return 0  # of a process that has just ended


def forget_peak() -> None:
    """Reset VmHWM of this process to its current memory."""
    Path("/proc/self/clear_refs").write_text("5")


def stay_below(limit: float) -> None:
    """Let this process fail, rather than the machine, if it allocates more memory than that."""
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))


def environment(threads: int) -> dict[str, str]:
    """Environment variables of a child process that uses this number of threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def ask(command: Sequence[str | Path], threads: int) -> dict[str, Any]:
    """Run a child and read the JSON of the last line that it prints; {"failed": reason} if it fails."""
    words = [str(one) for one in command]
    ended = subprocess.run(words, capture_output=True, text=True, env=environment(threads), check=False)
    lines = ended.stdout.strip().splitlines()
    if ended.returncode or not lines:
        errors = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}, no message"]
        return {"failed": errors[-1]}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of packages, where installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine(threads: int) -> dict[str, Any]:
    """The processor and how many threads a measurement has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"processor": (models or [platform.processor()])[0], "cores": os.cpu_count(), "threads": threads}


def show(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as Markdown."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0]), *(one.rjust(width) for one, width in zip(row[1:], widths[1:], strict=True))]
        print(f"| {' | '.join(cells)} |")


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write what was measured, if a file is wanted."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n")
