"""The endpoints of availability: `PUT` and `GET /v1/availability`."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Request, Response
from pydantic import Field

from hiersrec.http.availability import KINDS, Availability, Stock, stock_of
from hiersrec.http.errors import Problem, responses
from hiersrec.http.holder import Holder
from hiersrec.http.keys import VARIABLE
from hiersrec.http.responses import written
from hiersrec.http.schemas import Id, RequestBody, documented_body, read

MOST_IDS = 100_000
"""Limit of a list; a worker needs some 5 microseconds for each id when it first uses the list."""
MOST_BYTES = 4 << 20
"""Limit of its body."""

Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]


class Stocked(RequestBody):
    """One of the two lists. It replaces the one before as a whole."""

    unavailable: Ids | None = Field(None, description="Item ids that are not listed any more; all others are.")
    available: Ids | None = Field(None, description="Or: the only item ids that are listed.")


@dataclass(frozen=True)
class AvailabilityFacts:
    """The current list, counted; all null or 0 before the first, when all items are listed."""

    list: str | None
    """"available" or "unavailable"."""
    ids: int
    """Distinct ids of the list."""
    known: int
    """Of these, items of the current model."""
    unknown: int
    """The others. They are kept, for a model that knows them."""
    listed: int
    """Items of the current model that may be listed."""
    catalog_size: int
    set_at: str | None
    """When the list was sent, UTC."""


def add_availability(app: FastAPI, holder: Holder, availability: Availability) -> None:
    """Add the endpoints."""
    one_at_a_time = asyncio.Lock()

    @app.put(
        "/v1/availability",
        responses={200: {"model": AvailabilityFacts}, **responses(401, 403, 400, 408, 413, 422, 500, 503)},
        openapi_extra=documented_body(Stocked),
    )
    async def put(request: Request) -> Response:
        """Say which items are available. Every list that is computed after the answer obeys, on all workers."""
        if holder.keys is None:
            raise Problem(
                403,
                "Without a key nobody may change what is listed. Start the service with --api-key-file, or with the "
                f"environment variable {VARIABLE}.",
            )
        body = await read(request, Stocked, MOST_BYTES)
        given = [(kind, ids) for kind in KINDS if (ids := getattr(body, kind)) is not None]
        if len(given) != 1:
            raise Problem(
                422, f"Give one of the lists unavailable and available, got {'both' if given else 'none'}. See /docs."
            )
        kind, ids = given[0]
        async with one_at_a_time:
            return written(await asyncio.to_thread(_replaced, availability, holder, kind, ids))

    @app.get("/v1/availability", responses={200: {"model": AvailabilityFacts}, **responses(401)})
    async def get() -> Response:
        """Which list of available items is in use, in numbers."""
        return written(await asyncio.to_thread(_facts, availability, holder))


def _replaced(availability: Availability, holder: Holder, kind: str, ids: list[str | int]) -> AvailabilityFacts:
    """Replace the list; facts are of this one, even where another worker has replaced it again."""
    try:
        new = availability.replace(kind, ids)
    except OSError as error:
        raise Problem(
            500,
            f"The list can't be written to {availability.file}: {error.strerror}. The old one is still in use. `serve "
            "--availability-file FILE` names a place where the service may write.",
        ) from error
    catalog = holder.model.recommender.catalog
    stock = availability.stock(catalog)  # so that the next request does not wait for it
    if stock is None or stock.items != new:
        stock = stock_of(new, catalog)
    return _counted(stock, catalog.num_items)


def _facts(availability: Availability, holder: Holder) -> AvailabilityFacts:
    catalog = holder.model.recommender.catalog
    return _counted(availability.stock(catalog), catalog.num_items)


def _counted(stock: Stock | None, catalog_size: int) -> AvailabilityFacts:
    if stock is None:
        return AvailabilityFacts(None, 0, 0, 0, catalog_size, catalog_size, None)
    ids, listed = len(stock.items.ids), int(np.count_nonzero(stock.flags))
    return AvailabilityFacts(
        stock.items.kind, ids, stock.known, ids - stock.known, listed, catalog_size, stock.items.set_at
    )
