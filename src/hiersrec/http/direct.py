"""Middleware that calls some endpoints at once. FastAPI describes them as all others, and would do nothing else here:
no parameters, no dependencies, no validation.

What it does around each endpoint all the same takes as long as checking the body and sending the answer.
"""

from collections.abc import Callable, Iterable

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """Answers POST to the paths of `routes`, whose endpoints take a request; all else goes on to the app.

    answer_to: the response to an exception, which it raises again if it is none that a client should hear of.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute], answer_to: Callable[[Exception], Response]) -> None:
        self.app = app
        self.routes = {route.path: route for route in routes}
        self.answer_to = answer_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        route = self.routes.get(scope["path"]) if is_post else None
        if route is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = route  # as Starlette notes it, for `Watch`
        try:
            response = await route.endpoint(Request(scope, receive))
        except Exception as error:
            response = self.answer_to(error)
        await response(scope, receive, send)
