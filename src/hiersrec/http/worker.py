"""One process that answers: `answer(bundle, settings, listener, report)`.

    SIGTERM, SIGINT   /readyz says no, and what runs is finished; while the bundle is still being opened: the end
    SIGHUP            opens the bundle anew beside the work, then swaps; a bad one changes nothing

A supervisor starts it as `python -m hiersrec.http.worker`, and hears over a wire what answers, or why nothing does.
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
"""Environment variable with the key; no option, as the list of processes would show it."""
STOPS = (signal.SIGTERM, signal.SIGINT)
EVERY_TICK = -(10**12)
"""Seconds after which uvicorn gives the next sign of life, by the clock of the day. Where that is set back they are
negative, and must be enough all the same: else we are silent until it has caught up, and are taken for dead."""


def answer(bundle: Path, settings: ServiceSettings, listener: socket.socket, report: Callable[[str], None]) -> None:
    """Answer at a bound socket until a signal ends it; in a main thread.

    report hears the version of the model as soon as requests are answered, and about once a second from then on.
    Raises BadFolder for what can't be opened, BadInput if somebody else listens at the address by now.
    """
    asked: SimpleQueue[bool] = SimpleQueue()  # whose put, unlike that of others, a second signal may interrupt
    signal.signal(signal.SIGHUP, lambda *_: asked.put(True))  # before the opening, so that none is lost
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    for stop in STOPS:
        signal.signal(stop, _leave)
    holder = Holder(open_model(bundle))

    async def beat() -> None:
        report(holder.model.version or "unknown")

    config = uvicorn.Config(
        make_app(holder, settings),
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=30,  # no client can hold up the end for longer
        ws="none",
        timeout_keep_alive=75,  # longer than the usual idle time of a proxy before us, so that it hangs up first
        callback_notify=beat,
        timeout_notify=EVERY_TICK,
    )
    server = _Server(config, holder)
    for stop in STOPS:  # uvicorn sets the same when it runs, and calls it once more when all is done
        signal.signal(stop, server.handle_exit)
    listen(listener)
    reloading = threading.Thread(target=_reload, args=(bundle, holder, asked))
    reloading.start()
    try:
        server.run([listener])
    finally:
        asked.put(False)
        reloading.join()


class _Server(uvicorn.Server):
    """Has /readyz say no before the work ends."""

    def __init__(self, config: uvicorn.Config, holder: Holder) -> None:
        super().__init__(config)
        self._holder = holder

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._holder.stopping = True
        super().handle_exit(sig, frame)


def _leave(number: int, frame: FrameType | None) -> None:
    """Nobody is served yet, so nobody is cut off."""
    del number, frame
    sys.exit(0)


def _reload(bundle: Path, holder: Holder, asked: "SimpleQueue[bool]") -> None:
    """Open the bundle anew where that is asked for, until the end is."""
    while _next_wish(asked) and not holder.stopping:  # nobody is to wait for a model that answers nothing
        try:
            holder.swap(open_model(bundle))
        except Exception as error:  # whatever is wrong with the new one, the old one answers
            holder.metrics.reload("failed")
            LOG.error("Could not open %s anew, so the old model stays: %s", bundle, error)
        else:
            holder.metrics.reload("ok")
            LOG.info("Now serving model %s", holder.model.version)


def _next_wish(asked: "SimpleQueue[bool]") -> bool:
    """Wait for a wish. All True that wait are one, and a False among them is the end, which so waits for no opening."""
    wishes = [asked.get()]
    while not asked.empty():  # nobody else takes from it
        wishes.append(asked.get())
    return all(wishes)


def key() -> str | None:
    """What clients must send, None if they needn't."""
    return os.environ.get(KEY) or None


def log_to_stderr() -> None:
    """Our own lines, and what uvicorn has to say that is worse than news."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING)
    LOG.setLevel(logging.INFO)


def main(wanted: str) -> None:
    """The worker of a supervisor.

    wanted: a JSON object: bundle, queue, timeout, and the numbers of two open sockets, listener and wire. Every message
    on the wire is a line, {"model": version} or {"error": why it ends}.
    """
    given = json.loads(wanted)
    wire, listener = (socket.socket(fileno=given[name]) for name in ("wire", "listener"))
    settings = ServiceSettings(given["queue"], given["timeout"], key())

    def say(kind: str, text: str) -> None:
        try:
            wire.send(json.dumps({kind: text}).encode() + b"\n", socket.MSG_DONTWAIT)
        except OSError:  # nobody hears it: then the other thread ends us
            LOG.debug("The supervisor is gone")

    log_to_stderr()
    threading.Thread(target=_end_with_supervisor, args=(wire,), daemon=True).start()
    try:
        answer(Path(given["bundle"]), settings, listener, lambda version: say("model", version))
    except HiersrecError as error:
        say("error", str(error))
        sys.exit(2)


def _end_with_supervisor(wire: socket.socket) -> None:
    """A supervisor that was killed leaves no worker behind that holds the address."""
    wire.recv(1)  # nothing is ever sent: this is the end of the other side
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1])
