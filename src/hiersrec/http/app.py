"""The service as an ASGI app: `make_app(Holder(model), ServiceSettings())`.

Each response comes from one model: the holder's when the computation starts. A newer model takes effect with the next
request; running ones keep theirs.
"""

import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from hiersrec import __version__
from hiersrec.errors import BadInput, HiersrecError
from hiersrec.http import schemas
from hiersrec.http.direct import Direct
from hiersrec.http.errors import Problem, answer_with
from hiersrec.http.holder import Holder
from hiersrec.http.log_lines import log_request
from hiersrec.http.looking_up import add_look_ups
from hiersrec.http.openapi import completed
from hiersrec.http.operating import add_operating
from hiersrec.http.recommending import add_recommending, make_batcher
from hiersrec.http.security import Guard
from hiersrec.http.setting_availability import add_availability
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.watching import REQUEST_ID, Watch

LOG = logging.getLogger("hiersrec")
HEADERS = ["X-API-Key", "Content-Type", REQUEST_ID.decode()]
"""Headers that scripts of other web sites may send, where such sites are allowed."""


def make_app(holder: Holder, settings: ServiceSettings) -> FastAPI:
    """The app."""
    batcher = make_batcher(holder, settings.queue, settings.timeout)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with batcher.running():
            yield

    app = FastAPI(
        title="hiersrec",
        version=__version__,
        summary="The next items of a session, by way of the next categories, with reasons.",
        docs_url=None,  # ours has no scripts from other servers
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
    )
    app.add_middleware(Direct, routes=add_recommending(app, holder, batcher), answer_to=_answer_to)
    app.add_middleware(Guard, keys=lambda: holder.keys, hosts=settings.hosts, root_path=settings.root_path)
    log = log_request if settings.log_format == "json" else None
    app.add_middleware(Watch, report=holder.metrics.request, log=log, root_path=settings.root_path)
    if settings.origins:  # the last is the first to be called: a preflight has no key, and a refusal is readable
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=HEADERS,
            expose_headers=[REQUEST_ID.decode()],
        )
    _add_errors(app)
    add_look_ups(app, holder)
    add_operating(app, holder, batcher, settings)
    if holder.availability is not None:
        add_availability(app, holder, holder.availability)
    app.openapi = completed(app.openapi)  # type: ignore[method-assign]
    return app


def _add_errors(app: FastAPI) -> None:
    """Answer every error in one form: a single message."""

    @app.exception_handler(Problem)
    @app.exception_handler(HiersrecError)
    async def of_ours(_: Request, error: Exception) -> Response:
        return _answer_to(error)

    @app.exception_handler(RequestValidationError)
    async def of_parameters(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return answer_with(Problem(422, f"{first['loc'][-1]}: {first['msg'].removeprefix('Input ')}. See /docs."))

    @app.exception_handler(HTTPException)
    async def of_routing(request: Request, error: HTTPException) -> Response:
        message = f"{error.detail}: {request.method} {request.url.path[: schemas.SHOWN]}. See /docs."
        return answer_with(Problem(error.status_code, message, error.headers))


def _answer_to(error: Exception) -> Response:
    """The response to an exception of ours; any other is raised again."""
    if isinstance(error, Problem):
        return answer_with(error)
    if not isinstance(error, HiersrecError):
        raise error
    if not isinstance(error, BadInput):
        LOG.error("%s", error)
    return answer_with(Problem(400 if isinstance(error, BadInput) else 500, str(error)))
