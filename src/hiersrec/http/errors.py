"""Error responses: a status code and one message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

LONGEST = 600
"""Most characters of a message."""


@dataclass(frozen=True)
class Error:
    """The body of every error response."""

    error: str
    """What is wrong, the rule, the value received and the way out."""


class Problem(Exception):
    """Ends a request: an HTTP status, a message for the client, and headers if the status has some."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def busy(message: str) -> Problem:
    """503, with the advice to retry after a second."""
    return Problem(503, message, {"Retry-After": "1"})


def body_of(problem: Problem) -> bytes:
    """A problem as JSON. Of a long message the middle is left out: it quotes what the client sent."""
    message = problem.message
    if len(message) > LONGEST:
        message = f"{message[: LONGEST // 2]} [...] {message[-LONGEST // 2 :]}"
    return json.dumps({"error": message}, ensure_ascii=False).encode("utf-8", "replace")


def answer_with(problem: Problem) -> Response:
    """A problem as a response."""
    return Response(body_of(problem), problem.status, problem.headers, "application/json")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI documentation of error responses."""
    return {status: {"model": Error} for status in statuses}
