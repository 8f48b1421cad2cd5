"""Error responses: a status code and one message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response


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


def answer_with(problem: Problem) -> Response:
    """A problem as a response."""
    body = json.dumps({"error": problem.message}, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, problem.status, problem.headers, "application/json")
