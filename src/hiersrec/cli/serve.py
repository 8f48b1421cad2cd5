"""`hiersrec serve BUNDLE`: recommendations over HTTP, and a web page, until a signal stops it."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle, made by export.", metavar="BUNDLE")],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer; about one per core.")] = 1,
    queue: Annotated[int, typer.Option(min=1, help="Most waiting requests of a worker; the next gets 503.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds a request may wait; then it gets 503.")] = 2.0,
    api_key_file: Annotated[
        Path | None, typer.Option(help="File of API keys: a line is NAME KEY. Read again on SIGHUP.")
    ] = None,
    availability_file: Annotated[
        Path | None,
        typer.Option(help="Where PUT /v1/availability keeps its list [default: BUNDLE.availability.json]."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Answer this name in the Host header; repeat for more, * for all.", metavar="NAME"),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Let scripts of this web site call the service; repeat for more.", metavar="ORIGIN"),
    ] = None,
    root_path: Annotated[str, typer.Option(help="Path under which a proxy publishes the service, such as /rec.")] = "",
    log_format: Annotated[
        str, typer.Option(help="text, or json: an object a line, one for each request.", metavar="FORMAT")
    ] = "text",
) -> None:
    """Serve a bundle over HTTP, with a page at /. SIGHUP reloads the bundle, SIGTERM stops.

    If HIERSREC_API_KEY is set in the environment, clients must send it in the header X-API-Key.
    """
    hiersrec.serve(
        bundle,
        host=host,
        port=port,
        workers=workers,
        queue=queue,
        timeout=timeout,
        api_key_file=api_key_file,
        availability_file=availability_file,
        allowed_hosts=allowed_host or (),
        cors_origins=cors_origin or (),
        root_path=root_path,
        log_format=log_format,
    )
