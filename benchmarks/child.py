"""A child process, watched from outside: its peak memory, and the lines it writes with their times."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import environment, status

EVERY = 0.2
"""Seconds between two looks."""


@dataclass
class Watched:
    """What was seen. Bytes: `peak` is resident memory at its height, `own` the part of it that is no file, `shared` the
    proportional set size, in which a page that several processes map counts once.
    """

    seconds: float = 0.0
    peak: int = 0
    own: int = 0
    shared: int = 0
    code: int = 0
    lines: list[tuple[float, int, str]] = field(default_factory=list)
    """Of standard error: seconds since the start, resident bytes then, text."""
    output: str = ""

    def bytes(self) -> dict[str, int]:
        """For JSON."""
        return {"peak": self.peak, "own": self.own, "pss": self.shared}


def watched(command: Sequence[str | Path], threads: int) -> Watched:
    """Run a command to its end."""
    words = [str(one) for one in command]
    seen, start = Watched(), time.perf_counter()
    output: list[str] = []
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(threads)
    ) as child:
        readers = [
            threading.Thread(target=_read_errors, args=(child, seen, start)),
            threading.Thread(target=lambda: output.append(child.stdout.read())),
        ]
        for one in readers:
            one.start()
        while child.poll() is None:
            _look(child.pid, seen)
            time.sleep(EVERY)
        for one in readers:
            one.join()
    seen.seconds, seen.code, seen.output = time.perf_counter() - start, child.returncode, "".join(output)
    return seen


def _read_errors(child: "subprocess.Popen[str]", seen: Watched, start: float) -> None:
    for line in child.stderr:
        seen.lines.append((time.perf_counter() - start, _field(child.pid, "VmRSS"), line.rstrip("\n")))


def _look(process: int, seen: Watched) -> None:
    seen.peak = max(seen.peak, _field(process, "VmHWM"))
    seen.own = max(seen.own, _field(process, "RssAnon"))
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")]
    seen.shared = max([seen.shared, *sizes])


def _field(process: int, name: str) -> int:
    try:
        return status(name, process)
    except OSError:
        return 0


def stages(seen: Watched) -> list[dict[str, Any]]:
    """What the lines of standard error say was done, with the seconds until the next line."""
    ends = [*(at for at, _, _ in seen.lines[1:]), seen.seconds]
    return [
        {"stage": text, "seconds": end - at, "resident": resident}
        for (at, resident, text), end in zip(seen.lines, ends, strict=True)
    ]
