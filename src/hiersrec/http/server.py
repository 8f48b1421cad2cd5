"""`serve(bundle, ...)`: the service as processes: one, or a parent that watches over several workers.

    SIGTERM, SIGINT   /readyz says no, what runs is finished, exit code 0
    SIGHUP            every worker opens the bundle anew beside its work, then swaps; a bad one changes nothing

Workers share the port and, as a bundle's arrays are memory-mapped, one copy of them in memory.
"""

import asyncio
import functools
import logging
import os
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from hiersrec.errors import BadInput, HiersrecError

# The app counts with prometheus_client, which looks at the environment when it is imported: hence inside functions.
if TYPE_CHECKING:
    from hiersrec.http.app import Holder

LOG = logging.getLogger("hiersrec")
KEY = "HIERSREC_API_KEY"
"""Environment variable with the key; no option, as the list of processes would show it."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
STOPS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Service:
    """What each worker needs to know; it goes to them as it is."""

    bundle: Path
    queue: int = 256
    timeout: float = 2.0


def serve(service: Service, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Answer until a signal ends it. Raises BadFolder for what is no bundle, BadInput if the address can't be had.

    port 0 takes a free one; the line on standard error names it.
    """
    version = _version_of(service.bundle)
    listener = _bind(host, port)
    _log_to_stderr()
    shown = f"[{host}]" if ":" in host else host
    LOG.info("Serving %s (model %s) at http://%s:%d", service.bundle, version, shown, listener.getsockname()[1])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until a worker can act on it
    config = uvicorn.Config(
        functools.partial(worker_app if workers == 1 else _supervised_app, service),
        factory=True,
        workers=workers,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=30,  # no client can hold up the end for longer
        ws="none",
        timeout_keep_alive=75,  # longer than the usual idle time of a proxy before us, so that it hangs up first
    )
    if workers == 1:
        # uvicorn raises the signal that ended it once more when all is done; by then it has nothing left to do.
        for stop in STOPS:
            signal.signal(stop, lambda *_: None)
        uvicorn.Server(config).run([listener])
        return
    with tempfile.TemporaryDirectory(prefix="hiersrec-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        parent = _Parent(config, [listener])
        parent.run()
    if parent.failed:
        raise HiersrecError("A worker could not start; what it said stands above.")


def worker_app(service: Service) -> FastAPI:
    """The app of one worker, ready for signals; called inside the running loop of its main thread."""
    from hiersrec.http.app import Holder, Settings, make_app
    from hiersrec.http.model import open_model

    _log_to_stderr()
    reloads: set[asyncio.Task[None]] = set()
    lock = asyncio.Lock()

    async def reload() -> None:
        async with lock:
            try:
                holder.swap(await asyncio.to_thread(open_model, service.bundle))
            except Exception as error:  # whatever is wrong with the new one, the old one answers
                holder.metrics.reload("failed")
                LOG.error("Could not open %s anew, so the old model stays: %s", service.bundle, error)
            else:
                holder.metrics.reload("ok")
                LOG.info("Now serving model %s", holder.model.version)

    def start_reload() -> None:
        task = asyncio.ensure_future(reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    # Before the model is opened: it may be replaced meanwhile, and the signal is then acted on when the loop goes on.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, start_reload)
    holder = Holder(open_model(service.bundle))
    for stop in STOPS:
        _before(stop, holder)
    return make_app(holder, Settings(service.queue, service.timeout, os.environ.get(KEY) or None))


def _supervised_app(service: Service) -> FastAPI:
    """As worker_app; what would fail again at every start ends the parent too. It is the parent that heeds Ctrl-C."""
    try:
        app = worker_app(service)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return app
    except HiersrecError as error:
        LOG.error("Error: %s", error)
        sys.exit(STARTUP_FAILURE)


def _before(stop: signal.Signals, holder: "Holder") -> None:
    """Have /readyz say no before uvicorn's own handler ends the work."""
    theirs = signal.getsignal(stop)

    def handle(number: int, frame: FrameType | None) -> None:
        holder.stopping = True
        if callable(theirs):
            theirs(number, frame)

    signal.signal(stop, handle)


class _Parent(Multiprocess):
    """Watches over workers. SIGHUP is theirs to act on; what a dead one counted as its own is forgotten."""

    failed = False

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None and process.is_ready():  # one that starts opens the newest anyway
                os.kill(process.pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        if self.should_exit.is_set():
            return
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for gone in before - {process.pid for process in self.processes}:
            mark_process_dead(gone)  # type: ignore[no-untyped-call]
        self.failed = self.should_exit.is_set()  # not by a signal: those are handled elsewhere


def _version_of(bundle: Path) -> str:
    from hiersrec.http.model import check_bundle

    return str(check_bundle(bundle)["model_version"])


def _bind(host: str, port: int) -> socket.socket:
    """A socket at the address; it refuses connections until a worker listens on it."""
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:  # the second for what can't be a name at all
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"Can't serve at {host}, port {port}: {reason}. Choose another --host or --port.") from error
    return listener


def _log_to_stderr() -> None:
    """Our own lines, and what uvicorn has to say that is worse than news."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING)
    LOG.setLevel(logging.INFO)
