"""`serve(bundle)`: recommendations over HTTP, and a web page."""

from pathlib import Path

from hiersrec.errors import named_extras


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

    server.serve(Path(bundle), ServiceSettings(queue, timeout), host, port, workers)
