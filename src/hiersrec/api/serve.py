"""`serve(bundle)`: recommendations over HTTP, and a web page."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

from hiersrec import arguments
from hiersrec.arguments import NUMBER, TEXT, WHOLE
from hiersrec.errors import BadInput, HiersrecError, named_extras, repr_of

MOST_PORT = 65_535


def serve(
    bundle: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    queue: int = 256,
    timeout: float = 2.0,
    api_key_file: str | Path | None = None,
    availability_file: str | Path | None = None,
    allowed_hosts: Sequence[str] = (),
    cors_origins: Sequence[str] = (),
    root_path: str = "",
    log_format: str = "text",
) -> None:
    """Serve a bundle until a signal stops it; if HIERSREC_API_KEY is set, clients must send it in X-API-Key.

    Args:
        bundle: A bundle, made by `Run.export`.
        host: Address to listen at; "0.0.0.0" for all of this machine.
        port: 0 picks a free one.
        workers: Processes that answer; about one per core.
        queue: Most waiting requests of a worker; the next gets status 503.
        timeout: Seconds a request may wait; then it gets 503.
        api_key_file: File of API keys with names, a line each; read again on SIGHUP. In place of HIERSREC_API_KEY.
        availability_file: Where PUT /v1/availability keeps its list. Default: BUNDLE.availability.json, next to the
            bundle.
        allowed_hosts: Names in the Host header that are answered, "*" for all. Default: all, but on an address that
            only this machine reaches the names of this machine.
        cors_origins: Web sites whose scripts may call the service, such as "https://shop.example".
        root_path: Path under which a proxy publishes the service, such as "/rec".
        log_format: "text", or "json" for a JSON object a line, with one for each request.

    Raises:
        BadFolder: `bundle` is not one.
        BadInput: The address is not available, a key is empty, or an argument is wrong.

    """
    with named_extras():
        from hiersrec.http import server
        from hiersrec.http.log_lines import FORMATS
        from hiersrec.http.settings import ServiceSettings

    folder = arguments.path(bundle=bundle)
    key_file = None if api_key_file is None else arguments.path(api_key_file=api_key_file)
    stock_file = None if availability_file is None else arguments.path(availability_file=availability_file)
    TEXT.check(host=host, root_path=root_path)
    hosts, origins = arguments.texts(allowed_hosts=allowed_hosts), arguments.texts(cors_origins=cors_origins)
    WHOLE.check(port=port, workers=workers, queue=queue)
    NUMBER.check(timeout=timeout)
    for name, value, least in (("port", port, 0), ("workers", workers, 1), ("queue", queue, 1)):
        if value < least:
            raise BadInput(f"{name} must be at least {least}, got {value}.")
    if port > MOST_PORT or timeout <= 0:
        raise BadInput(f"port must be at most {MOST_PORT} and timeout above 0, got {port} and {timeout:g}.")
    _check_names(hosts, origins, root_path)
    if log_format not in FORMATS:
        raise BadInput(f"log_format must be one of {', '.join(FORMATS)}, got {repr_of(log_format)}.")
    if threading.current_thread() is not threading.main_thread():
        raise HiersrecError(
            "serve answers until a signal stops it, and only the main thread gets signals. Start a process for it, "
            "such as `hiersrec serve`."
        )
    settings = ServiceSettings(queue, timeout, key_file, stock_file, hosts, origins, root_path.rstrip("/"), log_format)
    server.serve(folder, settings, host, port, workers)


def _check_names(hosts: Sequence[str], origins: Sequence[str], root_path: str) -> None:
    """Raise BadInput for names that no request could have."""
    for name in hosts:
        if not re.fullmatch(r"\*|[\w.-]+|\[[0-9a-fA-F:.]+\]", name, re.ASCII):
            raise BadInput(
                f'allowed_hosts are names without a port, such as shop.example, or "*", got {repr_of(name)}.'
            )
    for origin in origins:
        if not re.fullmatch(r"\*|https?://[\w.-]+(:\d+)?", origin, re.ASCII):
            raise BadInput(
                f'cors_origins are like https://shop.example, without a path, or "*", got {repr_of(origin)}.'
            )
    if root_path and not re.fullmatch(r"(/[\w.~-]+)+/?", root_path, re.ASCII):
        raise BadInput(f"root_path is a path of letters and digits, such as /rec, got {repr_of(root_path)}.")
