"""`hiersrec serve BUNDLE`: recommendations over HTTP, and a page for people, until a signal ends it."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle, made by export.", metavar="BUNDLE")],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer; about one a core.")] = 1,
    queue: Annotated[int, typer.Option(min=1, help="Most requests that wait in a worker; one more gets 503.")] = 256,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds a request may wait; then it gets 503.")] = 2.0,
) -> None:
    """Serve a bundle over HTTP, with a page at /. SIGHUP opens it anew, SIGTERM ends.

    With HIERSREC_API_KEY set in the environment, clients must send it as the header X-API-Key.
    """
    from hiersrec.http.server import Service, serve

    serve(Service(bundle, queue, timeout), host, port, workers)
