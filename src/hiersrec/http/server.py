"""`serve(bundle, ...)`: the service as processes: one, or a supervisor and several workers.

Workers share the port and, since a bundle's arrays are memory-mapped, one copy of them in memory. Signals are described
in worker.py and supervisor.py.
"""

import asyncio
import logging
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hiersrec.http.app import ServiceSettings
from hiersrec.http.model import check_bundle
from hiersrec.http.sockets import bind, shown
from hiersrec.http.supervisor import Supervisor
from hiersrec.http.worker import answer, key, log_to_stderr

LOG = logging.getLogger("hiersrec")


@dataclass(frozen=True)
class Service:
    """Settings of each worker; see ServiceSettings."""

    bundle: Path
    queue: int = 256
    timeout: float = 2.0


def serve(service: Service, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until a signal stops it.

    Port 0 picks a free one; a line on standard error names the address as soon as it answers requests. Raises BadFolder
    if `bundle` is not one, BadInput if the address is not available, HiersrecError if no worker is left.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the bundle is opened later, so it is the newest anyway
    check_bundle(service.bundle)
    listener = bind(host, port)
    log_to_stderr()
    LOG.info("Opening %s", service.bundle)
    address, announced = shown(host, listener), False

    def announce(version: str) -> None:
        nonlocal announced
        if not announced:
            LOG.info("Serving %s (model %s) at %s", service.bundle, version, address)
        announced = True

    if workers == 1:
        answer(service.bundle, ServiceSettings(service.queue, service.timeout, key()), listener, announce)
        return
    settings = {"bundle": str(service.bundle), "queue": service.queue, "timeout": service.timeout}
    with tempfile.TemporaryDirectory(prefix="hiersrec-metrics-") as metrics:
        asyncio.run(Supervisor(settings, listener, workers, announce, metrics).run())
