"""Middleware of every request: the API key, security headers, metrics, and unexpected exceptions.

Plain ASGI: it sees the head of a request before its body is read.
"""

import hmac
import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiersrec.http.errors import Problem, answer_with

LOG = logging.getLogger("hiersrec")
HEADERS = [
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz"}
"""Paths without a key, in addition to the files of the page."""
OPEN_FOLDER = "/page/"


class Guard:
    """Refuses requests without the key (None: no key required), adds headers, reports endpoint, status and seconds."""

    def __init__(self, app: ASGIApp, key: str | None, report: Callable[[str, int, float], None]) -> None:
        self.app = app
        self.key = None if key is None else key.encode(errors="surrogateescape")  # as the environment has it
        self.report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # start and stop of the server
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        if scope["method"] == "HEAD":  # of load balancers; the server drops the body
            scope = {**scope, "method": "GET"}

        async def add_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            if self._may_pass(scope):
                await self.app(scope, receive, add_headers)
            else:
                problem = Problem(401, "This server requires a key. Send it in the header X-API-Key.")
                await answer_with(problem)(scope, receive, add_headers)
        except Exception:
            LOG.exception("A request failed in the server")
            if status:  # a part of the response is sent
                raise
            problem = Problem(500, "An error in the server; see its log.")
            await answer_with(problem)(scope, receive, add_headers)
        finally:
            route = scope.get("route")
            self.report(getattr(route, "path", "other"), status, time.perf_counter() - start)

    def _may_pass(self, scope: Scope) -> bool:
        if self.key is None or scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER):
            return True
        sent = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        return hmac.compare_digest(sent, self.key)
