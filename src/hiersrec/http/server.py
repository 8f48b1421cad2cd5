"""`serve(bundle, ...)`: the service as processes: one, or a supervisor and several workers.

Workers share the port and, since a bundle's arrays are memory-mapped, one copy of them in memory. Signals are described
in worker.py and supervisor.py.
"""

import asyncio
import logging
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from hiersrec.http.app import ServiceSettings
from hiersrec.http.model import check_bundle
from hiersrec.http.sockets import bind, shown
from hiersrec.http.supervisor import Supervisor
from hiersrec.http.worker import answer, key, log_to_stderr

LOG = logging.getLogger("hiersrec")


def serve(bundle: Path, settings: ServiceSettings, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until a signal stops it; the key comes from the environment.

    Port 0 picks a free one; a line on standard error names the address as soon as it answers requests. Raises BadFolder
    if `bundle` is not one, BadInput if the address is not available, HiersrecError if no worker is left.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the bundle is opened later, so it is the newest anyway
    check_bundle(bundle)
    listener = bind(host, port)
    log_to_stderr()
    LOG.info("Opening %s", bundle)
    address, announced = shown(host, listener), False

    def announce(version: str) -> None:
        nonlocal announced
        if not announced:
            LOG.info("Serving %s (model %s) at %s", bundle, version, address)
        announced = True

    if workers == 1:
        answer(bundle, replace(settings, key=key()), listener, announce)
        return
    arguments = {"bundle": str(bundle), "queue": settings.queue, "timeout": settings.timeout}
    with tempfile.TemporaryDirectory(prefix="hiersrec-metrics-") as metrics:
        asyncio.run(Supervisor(arguments, listener, workers, announce, metrics).run())
