"""Around every request: the key, the headers that keep a browser honest, the count, and the last net for bugs.

A plain ASGI wrapper: it sees the head of a request before anything of its body is read.
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
"""What is answered without a key, beside the files of the page."""
OPEN_FOLDER = "/page/"


class Guard:
    """Refuses requests without the key (None: there is none), adds headers, reports endpoint, status and seconds."""

    def __init__(self, app: ASGIApp, key: str | None, report: Callable[[str, int, float], None]) -> None:
        self.app = app
        self.key = None if key is None else key.encode(errors="surrogateescape")  # as the environment has it
        self.report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of messages (the start and the stop) pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        if scope["method"] == "HEAD":  # as load balancers ask; the server leaves out the body of what GET answers
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
                problem = Problem(401, "This server wants a key. Send it in the header X-API-Key.")
                await answer_with(problem)(scope, receive, add_headers)
        except Exception:
            LOG.exception("A request broke the server")
            if status:  # it has been answered in part
                raise
            problem = Problem(500, "Something broke inside the server; its log says what.")
            await answer_with(problem)(scope, receive, add_headers)
        finally:
            route = scope.get("route")
            self.report(getattr(route, "path", "other"), status, time.perf_counter() - start)

    def _may_pass(self, scope: Scope) -> bool:
        if self.key is None or scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER):
            return True
        given = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        return hmac.compare_digest(given, self.key)
