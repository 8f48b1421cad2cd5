"""The service as an ASGI app: `make_app(Holder(model), ServiceSettings())`.

Each response comes from one model: the holder's when the computation starts. A newer model takes effect with the next
batch; running requests keep theirs.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hiersrec import __version__
from hiersrec.errors import BadInput, HiersrecError
from hiersrec.http import schemas
from hiersrec.http.api_docs import manual
from hiersrec.http.batching import Batcher
from hiersrec.http.errors import Error, Problem, answer_with
from hiersrec.http.metrics import CONTENT_TYPE, Metrics
from hiersrec.http.model import Model
from hiersrec.http.query import ListQuery
from hiersrec.http.schemas import (
    Answer,
    Answers,
    Categories,
    ItemFacts,
    Many,
    ModelFacts,
    One,
    SearchResult,
    read,
    written,
)
from hiersrec.http.security import Guard
from hiersrec.http.static_files import Files
from hiersrec.serving.answers import Recommendations
from hiersrec.types import ExternalId

LOG = logging.getLogger("hiersrec")


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the operator."""

    queue: int = 256
    """Most waiting requests; the next gets 503."""
    timeout: float = 2.0
    """Seconds after which a waiting request gets 503."""
    key: str | None = None
    """Required value of X-API-Key; None lets everybody in."""


@dataclass
class Holder:
    """The current model, and whether the process is stopping. Both may change at any time."""

    model: Model
    stopping: bool = False
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.metrics.model(self.model.version)

    def swap(self, model: Model) -> None:
        """Use another model from the next batch on."""
        previous, self.model = self.model, model
        self.metrics.model(model.version, previous.version)


def make_app(holder: Holder, settings: ServiceSettings) -> FastAPI:
    """The app; the page's files are read here."""
    metrics, files = holder.metrics, Files()

    def compute(sessions: Sequence[Sequence[ExternalId]], query: ListQuery) -> list[tuple[Model, Recommendations]]:
        model = holder.model
        return [(model, answer) for answer in query.recommend(model.recommender, sessions)]

    batcher = Batcher(compute, settings.queue, settings.timeout, metrics.batch, metrics.queue)

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
    )
    app.add_middleware(Guard, key=settings.key, report=metrics.request)
    _add_errors(app)
    refusals = _errors(400, 401, 408, 413, 422, 503)

    async def ask(
        request: Request, sessions: Sequence[Sequence[ExternalId]], options: schemas.RequestOptions
    ) -> tuple[Model, list[Recommendations]]:
        results = await batcher.ask(sessions, ListQuery.from_body(options), request.is_disconnected)
        answers = [answer for _, answer in results]
        metrics.answers(answers)
        return results[0][0] if results else holder.model, answers

    @app.post("/v1/recommend", responses={200: {"model": Answer}, **refusals}, openapi_extra=_body(One))
    async def recommend(request: Request) -> Response:
        """The next items of one session."""
        start = time.perf_counter()
        body = await read(request, One)
        model, [answer] = await ask(request, [body.session], body)
        return written({**vars(answer), **_origin(model, start)})

    @app.post("/v1/recommend/batch", responses={200: {"model": Answers}, **refusals}, openapi_extra=_body(Many))
    async def recommend_batch(request: Request) -> Response:
        """The next items of several sessions."""
        start = time.perf_counter()
        body = await read(request, Many)
        if len(body.sessions) * body.k > schemas.MOST_ANSWERED:
            raise Problem(
                422,
                f"sessions times k, the items of all lists, must be at most {schemas.MOST_ANSWERED:,}, got "
                f"{len(body.sessions)} times {body.k}. Send fewer sessions at once, or a smaller k.",
            )
        model, answers = await ask(request, body.sessions, body)
        return written({"answers": answers, **_origin(model, start)})

    @app.get("/v1/items", responses={200: {"model": SearchResult}, **_errors(401, 422)})
    async def find_items(
        query: Annotated[str, Query(max_length=200, description="Words of a title.")],
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """Items whose titles contain all words: those that begin with them first, then by popularity."""
        return written({"items": await asyncio.to_thread(holder.model.find, query, limit)})

    @app.get("/v1/items/{item_id:path}", responses={200: {"model": ItemFacts}, **_errors(401, 404)})
    async def item(item_id: str) -> Response:
        """One item of the catalogue."""
        facts = holder.model.item(item_id) if len(item_id) <= schemas.LONGEST_ID else None
        if facts is None:
            raise Problem(
                404, f"The catalogue has no item {item_id[: schemas.SHOWN]!r}. Find one with /v1/items?query=."
            )
        return written(facts)

    @app.get("/v1/categories", responses={200: {"model": Categories}, **_errors(401, 404, 422)})
    async def categories(
        level: Annotated[int | None, Query(ge=1, description="From 1; all levels if absent.")] = None,
    ) -> Response:
        """The category tree, level by level."""
        levels = holder.model.categories
        if level is not None and level > len(levels):
            raise Problem(404, f"The catalogue has {len(levels)} category levels, got level {level}.")
        chosen = levels if level is None else [levels[level - 1]]
        return written({"levels": len(levels), "categories": [category for level in chosen for category in level]})

    @app.get("/v1/model", responses={200: {"model": ModelFacts}, **_errors(401)})
    async def model() -> Response:
        """The current model."""
        return written(holder.model.facts)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Whether the process is alive."""
        return written({"status": "ok"})

    @app.get("/readyz", responses=_errors(503))
    async def readyz() -> Response:
        """Whether requests should be sent here: a model is loaded, and the process is not stopping."""
        if holder.stopping:
            raise Problem(503, "The server is stopping.")
        return written({"status": "ready"})

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **_errors(401)})
    async def numbers() -> Response:
        """Metrics for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/", include_in_schema=False)
    async def start_page(request: Request) -> Response:
        return files.answer("index.html", request)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str, request: Request) -> Response:
        return files.answer(name, request)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(manual(app.openapi()), media_type="text/html")

    app.openapi = _with_bodies(app.openapi)  # type: ignore[method-assign]
    return app


def _origin(model: Model, start: float) -> dict[str, Any]:
    return {
        "catalog_size": model.recommender.catalog_size,
        "model_version": model.version,
        "milliseconds": round((time.perf_counter() - start) * 1000, 3),
    }


def _add_errors(app: FastAPI) -> None:
    """Answer every error in one form: a single message."""

    @app.exception_handler(Problem)
    async def of_ours(_: Request, problem: Problem) -> Response:
        return answer_with(problem)

    @app.exception_handler(HiersrecError)
    async def of_the_library(_: Request, error: HiersrecError) -> Response:
        if not isinstance(error, BadInput):
            LOG.error("%s", error)
        return answer_with(Problem(400 if isinstance(error, BadInput) else 500, str(error)))

    @app.exception_handler(RequestValidationError)
    async def of_parameters(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return answer_with(Problem(422, f"{first['loc'][-1]}: {first['msg'].removeprefix('Input ')}. See /docs."))

    @app.exception_handler(HTTPException)
    async def of_routing(request: Request, error: HTTPException) -> Response:
        message = f"{error.detail}: {request.method} {request.url.path[: schemas.SHOWN]}. See /docs."
        return answer_with(Problem(error.status_code, message, error.headers))


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Error} for status in statuses}


def _body(kind: type[schemas.RequestOptions]) -> dict[str, Any]:
    """OpenAPI documentation of a body that FastAPI doesn't parse."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _with_bodies(openapi: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document with the schemas of the bodies."""

    def extended() -> dict[str, Any]:
        document = openapi()
        for kind in (One, Many):
            schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= {**schema.pop("$defs", {}), kind.__name__: schema}
        return document

    return extended
