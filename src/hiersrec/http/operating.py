"""The endpoints for those who operate the service, and the page and its manual."""

from fastapi import FastAPI, Request, Response
from starlette.responses import PlainTextResponse, RedirectResponse

from hiersrec.http.api_docs import manual
from hiersrec.http.batching import Batcher
from hiersrec.http.errors import Problem, responses
from hiersrec.http.holder import Holder
from hiersrec.http.metrics import CONTENT_TYPE
from hiersrec.http.query import ListQuery
from hiersrec.http.recommending import Written
from hiersrec.http.records import Health, Readiness
from hiersrec.http.responses import written
from hiersrec.http.settings import ServiceSettings
from hiersrec.http.static_files import Files


def add_operating(
    app: FastAPI, holder: Holder, batcher: Batcher[ListQuery, Written], settings: ServiceSettings
) -> None:
    """Add the endpoints; the page's files are read here."""
    files = Files()

    @app.get("/healthz", responses={200: {"model": Health}})
    async def healthz() -> Response:
        """Whether the process is alive."""
        return written(Health("ok"))

    @app.get("/readyz", responses={200: {"model": Readiness}, **responses(503)})
    async def readyz() -> Response:
        """Whether requests should be sent here: a model is loaded, and the process is not stopping."""
        if holder.stopping:
            raise Problem(503, "The server is stopping.")
        return written(Readiness("ready", batcher.waiting, settings.queue, holder.last_reload))

    @app.get("/metrics", response_class=PlainTextResponse, responses=responses(401))
    async def numbers() -> Response:
        """Metrics for Prometheus."""
        return Response(holder.metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def start_page(request: Request) -> Response:
        return files.answer("index.html", request)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str, request: Request) -> Response:
        return files.answer(name, request)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(manual(app.openapi()), media_type="text/html")

    if settings.root_path:

        @app.get(settings.root_path, include_in_schema=False)
        async def to_start_page() -> Response:  # the page's own addresses are relative to a folder
            return RedirectResponse(f"{settings.root_path}/")
