"""`serve(bundle, ...)`: the service as processes: one, or a supervisor and several workers.

Workers share the port and, since a bundle's arrays are memory-mapped, one copy of them in memory. Signals are described
in worker.py and supervisor.py.
"""

import asyncio
import logging
import signal
from dataclasses import replace
from pathlib import Path

from hiersrec.http.availability import Availability, default_file
from hiersrec.http.keys import read_keys
from hiersrec.http.log_lines import log_to_stderr
from hiersrec.http.metrics_folder import metrics_folder
from hiersrec.http.model import check_bundle
from hiersrec.http.security import default_hosts
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.sockets import bind, shown
from hiersrec.http.supervisor import Supervisor
from hiersrec.http.worker import answer

LOG = logging.getLogger("hiersrec")


def serve(bundle: Path, settings: ServiceSettings, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
    """Serve until a signal stops it; keys come from the environment or a file.

    Port 0 picks a free one; a line on standard error names the address as soon as it answers requests. Raises BadFolder
    if `bundle` is not one, BadInput for bad keys and if the address is not available, HiersrecError if no worker is
    left.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the bundle is opened later, so it is the newest anyway
    check_bundle(bundle)
    read_keys(settings.key_file)
    Availability(settings.availability_file or default_file(bundle))
    listener = bind(host, port)
    if not settings.hosts:
        settings = replace(settings, hosts=default_hosts(host, listener.getsockname()[0]))
    log_to_stderr(settings.log_format)
    LOG.info("Opening %s", bundle)
    address, announced = shown(host, listener), False

    def announce(version: str) -> None:
        nonlocal announced
        if not announced:
            LOG.info("Serving %s (model %s) at %s", bundle, version, address)
        announced = True

    if workers == 1:
        answer(bundle, settings, listener, announce)
        return
    arguments = {"bundle": str(bundle), "settings": settings.to_json()}
    with metrics_folder() as metrics:
        asyncio.run(Supervisor(arguments, listener, workers, announce, metrics).run())
