"""Start and supervise several workers at one socket: `asyncio.run(Supervisor(...).run())`.

    SIGTERM, SIGINT   every worker stops as a single one does, or is killed when it is late
    SIGHUP            every worker reloads the bundle, also one that is still starting

A worker that dies is replaced. One that fails to start is retried after growing pauses while others answer.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from hiersrec.errors import HiersrecError
from hiersrec.http.metrics import FOLDER

LOG = logging.getLogger("hiersrec")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds until a worker that failed to start is retried; each pause is twice the last."""
MOST_SILENT = 60.0
"""Seconds without a heartbeat after which a worker counts as dead; longer than any orderly stop."""
LAST_CHANCE = 5.0
"""Further seconds. After Ctrl-Z or a debugger the time is over, but heartbeats are waiting to be read."""
LONGEST_STOP = 12.0
"""Seconds after the signal to stop in which workers end by themselves; longer than worker.DRAIN and LAST_RELOAD."""
MIXED_FOR = 5.0
"""Seconds for which workers may have different models, as during a reload, before that is logged."""
BLOCKED = {signal.SIGHUP, signal.SIGINT}


@dataclass(eq=False)
class _Worker:
    process: "subprocess.Popen[bytes]"
    model: str | None = None
    """Version of its model; None until it answers."""


class Supervisor:
    """Keeps `count` workers running.

    settings: of each worker, see worker.main. report: called with the model version of each heartbeat. metrics: a
    folder for the metrics of all workers.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        listener: socket.socket,
        count: int,
        report: Callable[[str], None],
        metrics: str,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._count = count
        self._report = report
        self._metrics = metrics
        self._workers: set[_Worker] = set()
        self._stopping = False
        self._failure: str | None = None
        self._woken = asyncio.Event()
        self._trouble = ""
        self._complete = False
        self._mixed_since: float | None = None

    async def run(self) -> None:
        """Run until a signal stops it. Raises HiersrecError when a worker can't start and no other is left."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await asyncio.gather(*(self._keep_running() for _ in range(self._count)))
        if self._failure is not None:
            raise HiersrecError(f"A worker could not start, and no other is left: {self._failure}")

    def _stop(self) -> None:
        if not self._stopping:
            self._listener.close()  # else it would listen, with nobody to accept, until the last worker has ended
            asyncio.get_running_loop().call_later(LONGEST_STOP, self._tell_all, signal.SIGKILL)
        self._stopping = True
        self._tell_all(signal.SIGTERM)

    def _reload(self) -> None:
        if not self._stopping:
            self._tell_all(signal.SIGHUP)

    def _tell_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.process.send_signal(number)
        self._woken.set()  # end the pauses
        self._woken.clear()

    async def _keep_running(self) -> None:
        """Run a worker, then its replacement, until the end."""
        pause = FIRST_PAUSE
        while not self._stopping:
            answered, reason = await self._run_worker()
            if self._stopping:
                return
            if answered:
                LOG.error("A worker died (%s); another takes its place", reason)
                pause = FIRST_PAUSE
                continue
            if not self._workers:
                self._failure = reason
                self._stop()
                return
            if reason != self._trouble and any(worker.model for worker in self._workers):  # log it once
                self._trouble = reason
                text = "A worker could not start; it is retried after pauses of up to %g s, or upon SIGHUP: %s"
                LOG.error(text, LONGEST_PAUSE, reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run_worker(self) -> tuple[bool, str]:
        """Run one worker to its end: whether it ever answered, and why it ended."""
        ours, theirs = socket.socketpair()
        try:
            worker = _Worker(self._start(theirs))
        except OSError as error:  # the machine has no process or memory left
            ours.close()
            return False, str(error)
        finally:
            theirs.close()
        self._workers.add(worker)
        reader, writer = await asyncio.open_connection(sock=ours)
        reason = ""
        try:
            while True:
                line = await (reader.readline() if worker.model is None else _heartbeat(reader))
                if not line.endswith(b"\n"):
                    break
                message = json.loads(line)
                reason = message.get("error", reason)
                if "model" in message:
                    self._record(worker, message["model"])
        except TimeoutError:
            reason = f"it said nothing for {MOST_SILENT:g} seconds"
            worker.process.kill()
        code = await asyncio.to_thread(worker.process.wait)
        writer.close()
        self._workers.discard(worker)
        self._complete = False
        mark_process_dead(worker.process.pid, self._metrics)  # type: ignore[no-untyped-call]
        return worker.model is not None, reason or (f"exit code {code}" if code >= 0 else f"signal {-code}")

    def _start(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        sockets = {"listener": self._listener.fileno(), "wire": theirs.fileno()}
        command = [sys.executable, "-P", "-m", "hiersrec.http.worker", json.dumps({**self._settings, **sockets})]
        # It starts with SIGHUP blocked, so that one waits until it is ready, and ignores the Ctrl-C of a terminal.
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        try:
            environment = {**os.environ, FOLDER: self._metrics}
            return subprocess.Popen(command, pass_fds=tuple(sockets.values()), env=environment)  # noqa: S603 (our own)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)

    def _record(self, worker: _Worker, version: str) -> None:
        worker.model = version
        self._report(version)
        models = Counter(other.model for other in self._workers if other.model is not None)
        if models.total() == self._count and not self._complete:
            LOG.info("All %d workers answer", self._count)
            self._complete, self._trouble = True, ""
        if len(models) == 1:
            self._mixed_since = None
        elif self._mixed_since is None:
            self._mixed_since = time.monotonic()
        elif time.monotonic() - self._mixed_since > MIXED_FOR:
            self._mixed_since = float("inf")  # logged once
            shares = ", ".join(f"{count} with {model}" for model, count in models.most_common())
            text = "Workers answer with different models (%s). Send SIGHUP to process %d, so that all open the newest"
            LOG.error(text, shares, os.getpid())


async def _heartbeat(reader: asyncio.StreamReader) -> bytes:
    """The next line of a worker that answers. Raises TimeoutError without one."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MOST_SILENT):
            return await reader.readline()
    async with asyncio.timeout(LAST_CHANCE):
        return await reader.readline()
