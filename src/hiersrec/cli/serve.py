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
) -> None:
    """Serve a bundle over HTTP, with a page at /. SIGHUP reloads the bundle, SIGTERM stops.

    If HIERSREC_API_KEY is set in the environment, clients must send it in the header X-API-Key.
    """
    hiersrec.serve(bundle, host=host, port=port, workers=workers, queue=queue, timeout=timeout)
