"""Blocks scored by several processes, each with one thread and the same memory maps; the counts of each come back.

Processes are started as programs of their own, not by `multiprocessing`, which would run the caller's script again.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hiersrec.errors import HiersrecError, MachineError

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score(folder: Path, numbers: Iterable[int], workers: int) -> Iterator[Counter[str]]:
    """Score blocks of the batch in `folder`; yields the counts of each when it is done, in any order.

    Raises the error of a process, and MachineError for one that the system ended; the others are stopped then.
    """
    waiting = iter(numbers)
    with selectors.DefaultSelector() as selector, _started(folder, workers) as processes:
        for process in processes:
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ, process)
        while selector.get_map():
            for key, _ in selector.select():
                process = key.data
                answer = _answer(process)
                if answer:
                    yield Counter(answer)
                if not _give(process, next(waiting, None)):
                    selector.unregister(key.fileobj)


def _answer(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """The next line of a process."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        code = process.wait()
        how = f"was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with code {code}"
        raise MachineError(
            f"A process that scores sessions {how}. If memory is short, give fewer --workers. The same command "
            "continues: what was written is kept."
        )
    document: dict[str, Any] = json.loads(line)
    if "error" in document:
        raise (MachineError if document["kind"] == MachineError.__name__ else HiersrecError)(document["error"])
    return document


def _give(process: "subprocess.Popen[bytes]", number: int | None) -> bool:
    """Tell a process its next block; without one it ends."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, which its next answer tells
        if number is None:
            process.stdin.close()
            return False
        process.stdin.write(f"{number}\n".encode())
        process.stdin.flush()
    return True


@contextmanager
def _started(folder: Path, workers: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes, ended at the end."""
    command = [sys.executable, "-P", "-m", "hiersrec.batch.worker", str(folder)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(workers):
            processes.append(
                subprocess.Popen(  # noqa: S603 (our own)
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **ONE_THREAD},
                    start_new_session=True,  # Ctrl-C of a terminal comes to this process only
                )
            )
        yield processes
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()
