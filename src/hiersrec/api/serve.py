"""`serve(bundle)`: recommendations over HTTP, and a web page."""

import threading
from pathlib import Path

from hiersrec import arguments
from hiersrec.arguments import NUMBER, TEXT, WHOLE
from hiersrec.errors import BadInput, HiersrecError, named_extras

MOST_PORT = 65_535


def serve(
    bundle: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    queue: int = 256,
    timeout: float = 2.0,
) -> None:
    """Serve a bundle until a signal stops it; if HIERSREC_API_KEY is set, clients must send it in X-API-Key.

    Args:
        bundle: A bundle, made by `Run.export`.
        host: Address to listen at; "0.0.0.0" for all of this machine.
        port: 0 picks a free one.
        workers: Processes that answer; about one per core.
        queue: Most waiting requests of a worker; the next gets status 503.
        timeout: Seconds a request may wait; then it gets 503.

    Raises:
        BadFolder: `bundle` is not one.
        BadInput: The address is not available.

    """
    with named_extras():
        from hiersrec.http import server
        from hiersrec.http.app import ServiceSettings

    folder = arguments.path(bundle=bundle)
    TEXT.check(host=host)
    WHOLE.check(port=port, workers=workers, queue=queue)
    NUMBER.check(timeout=timeout)
    for name, value, least in (("port", port, 0), ("workers", workers, 1), ("queue", queue, 1)):
        if value < least:
            raise BadInput(f"{name} must be at least {least}, got {value}.")
    if port > MOST_PORT or timeout <= 0:
        raise BadInput(f"port must be at most {MOST_PORT} and timeout above 0, got {port} and {timeout:g}.")
    if threading.current_thread() is not threading.main_thread():
        raise HiersrecError(
            "serve answers until a signal stops it, and only the main thread gets signals. Start a process for it, "
            "such as `hiersrec serve`."
        )
    server.serve(folder, ServiceSettings(queue, timeout), host, port, workers)
