"""Middleware around every request: its id, metrics, a line in the log, security headers, unexpected exceptions.

Plain ASGI, so that a refusal of `Guard` is counted and logged as any other answer.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hiersrec.http.errors import Problem, answer_with, busy
from hiersrec.http.security import CLIENT

LOG = logging.getLogger("hiersrec")
HEADERS = [
    (b"content-security-policy", b"default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
REQUEST_ID = b"x-request-id"
GOOD_ID = re.compile(rb"[\w.:+=@/-]{1,128}", re.ASCII)
"""An id of the client that is used; others could forge lines of a log, or fill it."""
SHOWN = 200
"""Characters of a path in the log."""


class Watch:
    """Reports endpoint, status and seconds of each request, and its line to `log`, if there is one.

    root_path: a prefix of paths, which a proxy may have left or taken away.
    """

    def __init__(
        self,
        app: ASGIApp,
        report: Callable[[str, int, float], None],
        log: Callable[[Mapping[str, object]], None] | None = None,
        root_path: str = "",
    ) -> None:
        self.app = app
        self.report = report
        self.log = log
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # start and stop of the server
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        method, path = scope["method"], scope["path"]
        scope = self._normal(scope)
        sent = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
        request_id = sent if GOOD_ID.fullmatch(sent) else secrets.token_hex(8).encode()

        async def add_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *HEADERS, (REQUEST_ID, request_id)]
            await send(message)

        try:
            await self.app(scope, receive, add_headers)
        except asyncio.CancelledError:  # the time for requests after the signal to stop is over
            if not status:
                await answer_with(busy("The server is stopping."))(scope, receive, add_headers)
        except Exception:
            LOG.exception("Request %s failed in the server", request_id.decode())
            if status:  # a part of the response is sent
                raise
            problem = Problem(500, "An error in the server; see its log.")
            await answer_with(problem)(scope, receive, add_headers)
        finally:
            seconds = time.perf_counter() - start
            endpoint = getattr(scope.get("route"), "path", "other")
            self.report(endpoint, status, seconds)
            if self.log is not None:
                self.log(
                    {
                        "request_id": request_id.decode(),
                        "method": method,
                        "path": path[:SHOWN],
                        "endpoint": endpoint,
                        "status": status,
                        "milliseconds": round(seconds * 1000, 3),
                        "address": (scope.get("client") or ("",))[0],
                        "client": scope.get(CLIENT),
                    }
                )

    def _normal(self, scope: Scope) -> Scope:
        """A copy that the routes know: HEAD, of load balancers, as GET (the server drops the body); no prefix."""
        scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else dict(scope)
        path, prefix = scope["path"], self.root_path
        if prefix and path.startswith(f"{prefix}/"):
            scope["path"] = path.removeprefix(prefix)
            scope["raw_path"] = scope.get("raw_path", path.encode()).removeprefix(prefix.encode())
        return scope
