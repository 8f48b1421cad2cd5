"""The endpoints that recommend: `/v1/recommend` and `/v1/recommend/batch`."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from hiersrec.http.arrived import has_left
from hiersrec.http.batching import Batcher, Sessions
from hiersrec.http.errors import responses
from hiersrec.http.holder import Holder
from hiersrec.http.model import Model
from hiersrec.http.query import ListQuery
from hiersrec.http.records import Answer, Answers
from hiersrec.http.responses import extended, response
from hiersrec.http.schemas import Many, One, RequestOptions, documented_body, read
from hiersrec.http.work import check_work, work_of
from hiersrec.types import ExternalId

Written = tuple[Model, bytes]
"""The answer to a session as JSON, and the model that gave it."""


def make_batcher(holder: Holder, queue: int, timeout: float) -> Batcher[ListQuery, Written]:
    """A batcher whose requests are each answered by one model: the holder's when the computation begins."""

    def begin(query: ListQuery) -> Callable[[Sessions], list[Written]]:
        model = holder.model
        stock = holder.availability.stock(model.recommender.catalog) if holder.availability else None
        recommend = query.begin(model.recommender, None if stock is None else stock.flags)

        def compute(sessions: Sessions) -> list[Written]:
            lists = recommend(sessions)
            holder.metrics.answers(lists)
            # Written here and one by one, so that neither the event loop nor another thread waits for many.
            return [(model, model.written(listed)) for listed in lists]

        return compute

    return Batcher(begin, queue, timeout, holder.metrics.batch, holder.metrics.queue)


def add_recommending(app: FastAPI, holder: Holder, batcher: Batcher[ListQuery, Written]) -> list[APIRoute]:
    """Add the endpoints -> their routes."""
    refusals = responses(400, 401, 408, 413, 422, 503)

    async def ask(
        request: Request, sessions: Sequence[Sequence[ExternalId]], options: RequestOptions
    ) -> tuple[Model, list[bytes]]:
        work = work_of(options, list(map(len, sessions)), holder.model.recommender.catalog_size)
        results = await batcher.ask(sessions, ListQuery.from_body(options), work, lambda: has_left(request.receive))
        return results[0][0] if results else holder.model, [body for _, body in results]

    @app.post("/v1/recommend", responses={200: {"model": Answer}, **refusals}, openapi_extra=documented_body(One))
    async def recommend(request: Request) -> Response:
        """The next items of one session."""
        start = time.perf_counter()
        body = await read(request, One)
        model, [answer] = await ask(request, [body.session], body)
        return response(extended(answer, _origin(model, start)))

    @app.post(
        "/v1/recommend/batch", responses={200: {"model": Answers}, **refusals}, openapi_extra=documented_body(Many)
    )
    async def recommend_batch(request: Request) -> Response:
        """The next items of several sessions."""
        start = time.perf_counter()
        body = await read(request, Many)
        check_work(body)
        model, answers = await ask(request, body.sessions, body)
        return response(extended(b'{"answers":[%b]}' % b",".join(answers), _origin(model, start)))

    endpoints = (recommend, recommend_batch)
    return [route for route in app.routes if isinstance(route, APIRoute) and route.endpoint in endpoints]


def _origin(model: Model, start: float) -> dict[str, Any]:
    return {
        "catalog_size": model.recommender.catalog_size,
        "model_version": model.version,
        "milliseconds": round((time.perf_counter() - start) * 1000, 3),
    }
