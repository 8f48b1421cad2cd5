"""Middleware that lets requests in: those for a host that is served, and with a key where keys are required.

Plain ASGI: it sees the head of a request before its body is read.
"""

from collections.abc import Callable, Collection
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from hiersrec.http.errors import Problem, answer_with
from hiersrec.http.keys import Keys

OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz"}
"""Paths without a key, in addition to the files of the page."""
OPEN_FOLDER = "/page/"
PROBES = {"/healthz", "/readyz"}
"""Paths for any host: probes ask by the address of a container, and learn nothing from the answer."""
CLIENT = "hiersrec.client"
"""Key of a scope for the name of the client."""


class Guard:
    """Refuses requests to other hosts (no hosts: all are served), and without a key (None: no key is required).

    A web site can let its own name resolve to 127.0.0.1 and so have a browser ask a service that listens only there
    (DNS rebinding); the name is then in the Host header.
    """

    def __init__(
        self, app: ASGIApp, keys: Callable[[], Keys | None], hosts: Collection[str], root_path: str = ""
    ) -> None:
        self.app = app
        self.open = OPEN | {root_path}  # which leads to the page
        self.keys = keys
        self.hosts = {host.lower() for host in hosts} if "*" not in hosts else set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(scope) if scope["type"] == "http" else None
        await (self.app if problem is None else answer_with(problem))(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        path = scope["path"]
        headers = dict(reversed(scope["headers"]))  # the first of a name counts
        if self.hosts and path not in PROBES and (host := _host(headers)) not in self.hosts:
            return Problem(
                400, f"This server does not answer for the host {host[:60]!r}. `serve --allowed-host NAME` adds a name."
            )
        keys = self.keys()
        if keys is None:
            return None
        scope[CLIENT] = keys.client_of(headers.get(b"x-api-key", b""))
        if scope[CLIENT] is not None or path in self.open or path.startswith(OPEN_FOLDER):
            return None
        return Problem(401, "This server requires a key. Send it in the header X-API-Key.")


def _host(headers: dict[bytes, bytes]) -> str:
    """The name in the Host header, without the port."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def default_hosts(host: str, address: str) -> tuple[str, ...]:
    """Hosts that are served where the operator named none: on an address of this machine only its own names.

    host: as the operator wrote it; address: what it was resolved to.
    """
    if not ip_address(address.partition("%")[0]).is_loopback:
        return ()
    return ("localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host)
