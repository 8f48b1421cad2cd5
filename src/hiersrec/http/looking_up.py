"""The endpoints that look something up: items, categories, the model."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import unquote

from fastapi import FastAPI, Query, Request, Response

from hiersrec.http import schemas
from hiersrec.http.errors import Problem, responses
from hiersrec.http.holder import Holder
from hiersrec.http.records import Categories, CategoryItems, ItemFacts, ModelFacts, SearchResult, SimilarResult
from hiersrec.http.responses import written

Limit = Annotated[int, Query(ge=1, le=100, description="Most items of the answer.")]
Result = TypeVar("Result")
AT_ONCE = 2
"""Most look-ups at a time, so that they leave the processor to recommendations."""


def add_look_ups(app: FastAPI, holder: Holder) -> None:
    """Add the endpoints. Those that read more than a few items do so in threads, few at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def aside(look_up: Callable[..., Result], *arguments: object) -> Result:
        async with room:
            return await asyncio.to_thread(look_up, *arguments)

    @app.get("/v1/items", responses={200: {"model": SearchResult}, **responses(401, 422)})
    async def find_items(
        query: Annotated[str, Query(max_length=200, description="Words of a title.")], limit: Limit = 20
    ) -> Response:
        """Items whose titles contain all words: those that begin with them first, then by popularity."""
        return written({"items": await aside(holder.model.find, query, limit)})

    @app.get(
        "/v1/items/{item_id:path}/similar", responses={200: {"model": SimilarResult}, **responses(400, 401, 404, 422)}
    )
    async def similar(item_id: str, k: Limit = 20) -> Response:
        """The items most similar to one, by the cosine of the vectors that the model compares with a session."""
        found = None
        if len(item_id) <= schemas.LONGEST_ID:
            found = await aside(_similar, holder, item_id, k)
        if found is None:
            raise _no_item(item_id)
        return written(found)

    @app.get("/v1/items/{item_id:path}", responses={200: {"model": ItemFacts}, **responses(401, 404)})
    async def item(item_id: str) -> Response:
        """One item of the catalogue."""
        facts = holder.model.item(item_id) if len(item_id) <= schemas.LONGEST_ID else None
        if facts is None:
            raise _no_item(item_id)
        return written(facts)

    @app.get("/v1/categories", responses={200: {"model": Categories}, **responses(401, 404, 422)})
    async def categories(
        level: Annotated[int | None, Query(ge=1, description="From 1; all levels if absent.")] = None,
    ) -> Response:
        """The category tree, level by level."""
        levels = holder.model.categories
        if level is not None and level > len(levels):
            raise Problem(404, f"The catalogue has {len(levels)} category levels, got level {level}.")
        chosen = levels if level is None else [levels[level - 1]]
        return written({"levels": len(levels), "categories": [category for level in chosen for category in level]})

    @app.get("/v1/categories/{path:path}", responses={200: {"model": CategoryItems}, **responses(401, 404, 422)})
    async def category(request: Request, path: str, limit: Limit = 20) -> Response:
        """One category, such as /v1/categories/Home/Garden, with its items, most popular first.

        A slash inside a name is written as %2F.
        """
        names = _names(request, path)
        found = await aside(holder.model.category, names, limit)
        if found is None:
            raise Problem(
                404, f"The catalogue has no category {' > '.join(names)[: schemas.SHOWN]!r}. See /v1/categories."
            )
        return written(found)

    @app.get("/v1/model", responses={200: {"model": ModelFacts}, **responses(401)})
    async def model() -> Response:
        """The current model."""
        return written(holder.model.facts)


def _similar(holder: Holder, item_id: str, k: int) -> SimilarResult | None:
    model = holder.model
    stock = holder.availability.stock(model.recommender.catalog) if holder.availability else None
    return model.similar(item_id, k, None if stock is None else stock.flags)


def _no_item(item_id: str) -> Problem:
    return Problem(404, f"The catalogue has no item {item_id[: schemas.SHOWN]!r}. Find one with /v1/items?query=.")


def _names(request: Request, path: str) -> list[str]:
    """The names of a path. Only the address as it was sent tells a slash between them from one inside a name."""
    raw = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
    before, found, after = raw.partition("/v1/categories/")
    return [unquote(name) for name in after.split("/")] if found and not before else path.split("/")
