"""One serving process: `answer(bundle, settings, listener, report)`.

    SIGTERM, SIGINT   /readyz fails, and running requests are finished; while the bundle is opened: exit at once
    SIGHUP            reads the keys and opens the bundle again in the background; a bad one changes nothing

A supervisor starts it as `python -m hiersrec.http.worker`, and gets the model version or an error over a socket.
"""

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

import uvicorn

from hiersrec.errors import HiersrecError
from hiersrec.http.accepting import Server
from hiersrec.http.app import make_app
from hiersrec.http.availability import Availability, default_file
from hiersrec.http.connection import SECONDS
from hiersrec.http.holder import Holder
from hiersrec.http.keys import read_keys
from hiersrec.http.log_lines import log_to_stderr
from hiersrec.http.model import open_model
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.sockets import listen

LOG = logging.getLogger("hiersrec")
DRAIN = 8
"""Seconds that requests are given after the signal to stop. `docker stop` kills after 10."""
LAST_RELOAD = 1.0
"""Seconds more for a bundle that is just being opened; then the process ends all the same."""
SWITCH = 0.001
"""Seconds after which a thread lets another one run: the event loop waits no longer for reasons that are computed."""
STOPS = (signal.SIGTERM, signal.SIGINT)
EVERY_TICK = -(10**12)
"""Seconds until uvicorn's next heartbeat, by the wall clock. If that is set back, the time since the last heartbeat is
negative and must still be enough: else none comes until the clock has caught up, and the worker counts as dead."""


def answer(bundle: Path, settings: ServiceSettings, listener: socket.socket, report: Callable[[str], None]) -> None:
    """Serve at a bound socket until a signal stops it; must run in the main thread.

    report: called with the version of the model when requests are answered, and then about once a second. Raises
    BadFolder for a bundle that can't be opened, BadInput for bad keys or a damaged list of available items, and if
    another process listens at the address.
    """
    gc.freeze()  # what is imported stays: looking through it takes 20 ms, in which nobody is answered, 1 ms without it
    reloads: SimpleQueue[bool] = SimpleQueue()  # only its put may be interrupted by a second signal
    signal.signal(signal.SIGHUP, lambda *_: reloads.put(True))  # before the bundle is opened, so that none is lost
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    for number in STOPS:
        signal.signal(number, _leave)
    availability = Availability(settings.availability_file or default_file(bundle))
    holder = Holder(open_model(bundle), read_keys(settings.key_file), availability)

    server = make_server(holder, settings, listener, lambda: report(holder.model.version or "unknown"))
    for number in STOPS:  # uvicorn sets the same when it runs, and calls it again at the end
        signal.signal(number, server.handle_exit)
    listen(listener)
    sys.setswitchinterval(SWITCH)
    reloading = threading.Thread(target=_reload, args=(bundle, settings.key_file, holder, reloads), daemon=True)
    reloading.start()
    try:
        server.run()
    finally:
        reloads.put(False)
        reloading.join(LAST_RELOAD)
        if reloading.is_alive():  # else the interpreter would end under a thread that runs
            LOG.info("Stopped while a bundle was being opened")
            logging.shutdown()
            os._exit(0)


def make_server(
    holder: Holder, settings: ServiceSettings, listener: socket.socket, heartbeat: Callable[[], None]
) -> Server:
    """The server of a worker, not running yet; `heartbeat` is called about once a second."""

    async def notify() -> None:
        heartbeat()

    def stop() -> None:
        holder.stopping = True

    config = uvicorn.Config(
        make_app(holder, settings),
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=DRAIN,
        ws="none",
        timeout_keep_alive=int(SECONDS["idle"]),  # longer than the usual idle time of a proxy, so that it closes first
        callback_notify=notify,
        timeout_notify=EVERY_TICK,
    )
    return Server(config, listener, stop, holder.metrics.refused, holder.metrics.connections)


def _leave(number: int, frame: FrameType | None) -> None:
    """Exit at once; no request is running yet."""
    del number, frame
    sys.exit(0)


def _reload(bundle: Path, key_file: Path | None, holder: Holder, reloads: "SimpleQueue[bool]") -> None:
    """Reload keys and bundle for each True in the queue, until a False."""
    while _next_reload(reloads) and not holder.stopping:  # no reload may delay the stop
        try:
            holder.keys = read_keys(key_file)
        except HiersrecError as error:
            LOG.error("Could not reload the API keys, so the old ones stay: %s", error)
        try:
            holder.swap(open_model(bundle))
        except Exception as error:  # whatever is wrong with the new one, the old one stays
            holder.reloaded("failed")
            LOG.error("Could not reload %s, so the old model stays: %s", bundle, error)
        else:
            holder.reloaded("ok")
            LOG.info("Now serving model %s", holder.model.version)


def _next_reload(reloads: "SimpleQueue[bool]") -> bool:
    """Wait for the next entry, and take all that wait: several True are one reload, a False among them is the end."""
    entries = [reloads.get()]
    while not reloads.empty():  # nobody else takes from it
        entries.append(reloads.get())
    return all(entries)


def main(text: str) -> None:
    """The worker of a supervisor.

    text: a JSON object with bundle, settings, and the file descriptors of two open sockets, listener and wire.
    Every message on the wire is a line, {"model": version} or {"error": reason}.
    """
    arguments = json.loads(text)
    wire, listener = (socket.socket(fileno=arguments[name]) for name in ("wire", "listener"))
    settings = ServiceSettings.from_json(arguments["settings"])

    def say(kind: str, text: str) -> None:
        try:
            wire.send(json.dumps({kind: text}).encode() + b"\n", socket.MSG_DONTWAIT)
        except OSError:  # then the other thread stops this process
            LOG.debug("The supervisor is gone")

    log_to_stderr(settings.log_format)
    threading.Thread(target=_end_with_supervisor, args=(wire,), daemon=True).start()
    try:
        answer(Path(arguments["bundle"]), settings, listener, lambda version: say("model", version))
    except HiersrecError as error:
        say("error", str(error))
        sys.exit(2)


def _end_with_supervisor(wire: socket.socket) -> None:
    """Stop when the supervisor is gone, so that no worker keeps the address."""
    with contextlib.suppress(ConnectionResetError):  # of a supervisor that was killed before it had read all reports
        wire.recv(1)  # nothing is ever sent: this returns when the other side is closed
    os.kill(os.getpid(), signal.SIGTERM)
    # Python may lose what the handler raises: where it runs in a destructor, SystemExit is ignored.
    time.sleep(DRAIN + 2 * LAST_RELOAD)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
