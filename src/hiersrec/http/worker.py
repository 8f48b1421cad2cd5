"""One serving process: `answer(bundle, settings, listener, report)`.

    SIGTERM, SIGINT   /readyz fails, and running requests are finished; while the bundle is opened: exit at once
    SIGHUP            opens the bundle again in the background, then swaps; a bad one changes nothing

A supervisor starts it as `python -m hiersrec.http.worker`, and gets the model version or an error over a socket.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

import uvicorn

from hiersrec.errors import HiersrecError
from hiersrec.http.app import Holder, ServiceSettings, make_app
from hiersrec.http.model import open_model
from hiersrec.http.sockets import BACKLOG, listen

LOG = logging.getLogger("hiersrec")
KEY = "HIERSREC_API_KEY"
"""Environment variable with the key; not an option, which the list of processes would show."""
STOPS = (signal.SIGTERM, signal.SIGINT)
EVERY_TICK = -(10**12)
"""Seconds until uvicorn's next heartbeat, by the wall clock. If that is set back, the time since the last heartbeat is
negative and must still be enough: else none comes until the clock has caught up, and the worker counts as dead."""


def answer(bundle: Path, settings: ServiceSettings, listener: socket.socket, report: Callable[[str], None]) -> None:
    """Serve at a bound socket until a signal stops it; must run in the main thread.

    report: called with the version of the model when requests are answered, and then about once a second. Raises
    BadFolder for a bundle that can't be opened, BadInput if another process listens at the address by now.
    """
    reloads: SimpleQueue[bool] = SimpleQueue()  # only its put may be interrupted by a second signal
    signal.signal(signal.SIGHUP, lambda *_: reloads.put(True))  # before the bundle is opened, so that none is lost
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    for stop in STOPS:
        signal.signal(stop, _leave)
    holder = Holder(open_model(bundle))

    async def heartbeat() -> None:
        report(holder.model.version or "unknown")

    config = uvicorn.Config(
        make_app(holder, settings),
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=30,  # no client can delay the stop for longer
        ws="none",
        timeout_keep_alive=75,  # longer than the usual idle time of a proxy, so that the proxy closes first
        callback_notify=heartbeat,
        timeout_notify=EVERY_TICK,
    )
    server = _Server(config, holder)
    for stop in STOPS:  # uvicorn sets the same when it runs, and calls it again at the end
        signal.signal(stop, server.handle_exit)
    listen(listener)
    reloading = threading.Thread(target=_reload, args=(bundle, holder, reloads))
    reloading.start()
    try:
        server.run([listener])
    finally:
        reloads.put(False)
        reloading.join()


class _Server(uvicorn.Server):
    """Makes /readyz fail before the work ends."""

    def __init__(self, config: uvicorn.Config, holder: Holder) -> None:
        super().__init__(config)
        self._holder = holder

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._holder.stopping = True
        super().handle_exit(sig, frame)


def _leave(number: int, frame: FrameType | None) -> None:
    """Exit at once; no request is running yet."""
    del number, frame
    sys.exit(0)


def _reload(bundle: Path, holder: Holder, reloads: "SimpleQueue[bool]") -> None:
    """Reload the bundle for each True in the queue, until a False."""
    while _next_reload(reloads) and not holder.stopping:  # no reload may delay the stop
        try:
            holder.swap(open_model(bundle))
        except Exception as error:  # whatever is wrong with the new one, the old one stays
            holder.metrics.reload("failed")
            LOG.error("Could not reload %s, so the old model stays: %s", bundle, error)
        else:
            holder.metrics.reload("ok")
            LOG.info("Now serving model %s", holder.model.version)


def _next_reload(reloads: "SimpleQueue[bool]") -> bool:
    """Wait for the next entry, and take all that wait: several True are one reload, a False among them is the end."""
    entries = [reloads.get()]
    while not reloads.empty():  # nobody else takes from it
        entries.append(reloads.get())
    return all(entries)


def key() -> str | None:
    """The key that clients must send; None if none is required."""
    return os.environ.get(KEY) or None


def log_to_stderr() -> None:
    """Log our own lines, and warnings of uvicorn."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING)
    LOG.setLevel(logging.INFO)


def main(text: str) -> None:
    """The worker of a supervisor.

    text: a JSON object with bundle, queue, timeout, and the file descriptors of two open sockets, listener and wire.
    Every message on the wire is a line, {"model": version} or {"error": reason}.
    """
    arguments = json.loads(text)
    wire, listener = (socket.socket(fileno=arguments[name]) for name in ("wire", "listener"))
    settings = ServiceSettings(arguments["queue"], arguments["timeout"], key())

    def say(kind: str, text: str) -> None:
        try:
            wire.send(json.dumps({kind: text}).encode() + b"\n", socket.MSG_DONTWAIT)
        except OSError:  # then the other thread stops this process
            LOG.debug("The supervisor is gone")

    log_to_stderr()
    threading.Thread(target=_end_with_supervisor, args=(wire,), daemon=True).start()
    try:
        answer(Path(arguments["bundle"]), settings, listener, lambda version: say("model", version))
    except HiersrecError as error:
        say("error", str(error))
        sys.exit(2)


def _end_with_supervisor(wire: socket.socket) -> None:
    """Stop when the supervisor is gone, so that no worker keeps the address."""
    wire.recv(1)  # nothing is ever sent: this returns when the other side is closed
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
