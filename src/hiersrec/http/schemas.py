"""Request bodies: their fields, types and limits, read within bounded memory; and the fields of the answers.

Bodies are pydantic models, strict, without unknown fields. Answers are written as JSON straight from the records that
make them; the classes here that describe answers only add what the service knows, and serve the documentation too.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hiersrec.http.errors import Problem
from hiersrec.serving.answers import Recommendations
from hiersrec.types import ExternalId

MOST_BYTES = 1 << 20
"""Of a body."""
MOST_SECONDS = 10
"""From the head of a request to the end of its body."""
MOST_IDS = 10_000
"""Of one session, and of one list of allowed or denied items."""
MOST_PATHS = 100
"""Of the categories to list from; each costs a look at every item."""
MOST_SESSIONS = 256
"""Of one batch."""
MOST_LISTED = 1_000
"""Greatest k."""
MOST_ANSWERED = 20_000
"""Sessions of a batch times k: nothing else is answered while so many items, with reasons, are written as JSON."""
LONGEST_ID = 1_000
"""Characters of an id."""
SHOWN = 60
"""Characters of a wrong value in a message."""

_UNION = {"str", "int", "constrained-str", "constrained-int"}  # pydantic's names of the ways to read an id
Id = Annotated[str, Field(max_length=LONGEST_ID)] | Annotated[int, Field(ge=-(2**63), lt=2**63)]
Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]
Path = Annotated[list[Annotated[str, Field(max_length=LONGEST_ID)]], Field(min_length=1, max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Narrowed(_Body):
    """Which items are ranked for a session."""

    policy: Literal["all", "category"] = Field(description="All items, or those of the likeliest categories.")
    top: int | None = Field(None, ge=1, lt=2**31, description="Best categories of each level, for policy category.")
    share: float | None = Field(None, gt=0, le=1, description="Or: as many as hold this share of the items.")


class RequestOptions(_Body):
    """What may be asked beside the sessions."""

    k: int = Field(20, ge=1, le=MOST_LISTED, description="Items of a list.")
    explain: bool = Field(False, description="Add likely categories, and what adds to each score.")
    exclude_seen: bool = Field(False, description="Items of the session are not listed.")
    candidates: Narrowed | None = Field(None, description="Items to rank; null for what the bundle was made with.")
    allow: Ids | None = Field(None, description="List these items alone.")
    deny: Ids | None = Field(None, description="Never list these items.")
    categories: Annotated[list[Path], Field(max_length=MOST_PATHS)] | None = Field(
        None, description="List only items whose category path begins with one of these."
    )
    per_category: int | None = Field(
        None, ge=1, lt=2**31, description="Most items of one category of the finest level."
    )


class One(RequestOptions):
    """One session."""

    session: Ids = Field(description="Item ids, oldest first.")


class Many(RequestOptions):
    """Several sessions, answered with the same options."""

    sessions: Annotated[list[Ids], Field(max_length=MOST_SESSIONS)] = Field(
        description=f"Lists of item ids; their number times k is at most {MOST_ANSWERED:,}."
    )


@dataclass(frozen=True)
class Answer(Recommendations):
    """The answer to one session, and who gave it."""

    catalog_size: int
    """Items that the model knows."""
    model_version: str | None
    milliseconds: float
    """From the arrival of the whole request to the answer, inside the server."""


@dataclass(frozen=True)
class Answers:
    """The answers to several sessions, in their order."""

    answers: list[Recommendations]
    catalog_size: int
    model_version: str | None
    milliseconds: float


@dataclass(frozen=True)
class ItemFacts:
    """What the catalogue says of an item."""

    item_id: ExternalId
    title: str | None
    category_path: list[str | None]
    train_count: int
    """Interactions in the training sessions."""


@dataclass(frozen=True)
class SearchResult:
    """Items found by their titles, best first."""

    items: list[ItemFacts]


@dataclass(frozen=True)
class CategoryFacts:
    """One category: its level (from 1), the names from level 1 down to it, and how many items it has."""

    level: int
    path: list[str | None]
    items: int


@dataclass(frozen=True)
class Categories:
    """The categories of all levels, or of the one that was asked for."""

    levels: int
    categories: list[CategoryFacts]


@dataclass(frozen=True)
class ModelFacts:
    """The model that answers now."""

    model_version: str | None
    recipe: str | None
    dataset: str | None
    catalog_size: int
    max_length: int
    """Items of a session that it looks at, the newest ones."""
    tasks: list[str]
    """What it predicts beside items."""
    candidates: dict[str, Any]
    """Which items are ranked if a request doesn't say."""
    explains: bool


Body = TypeVar("Body", bound=_Body)


async def read(request: Request, kind: type[Body]) -> Body:
    """The body of a request, checked. Raises Problem: 408 too slow, 413 too large, 400 no JSON, 422 breaks a rule."""
    try:
        return kind.model_validate_json(await _bytes(request))
    except ValidationError as error:
        raise _problem(error) from None


async def _bytes(request: Request) -> bytes:
    """The body, read no further than the limits, which also hold where no Content-Length is given."""
    whole = bytearray()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            async for part in request.stream():
                whole += part
                if len(whole) > MOST_BYTES:
                    raise Problem(413, f"The body is larger than {MOST_BYTES:,} bytes. Send fewer sessions at once.")
    except TimeoutError:
        raise Problem(408, f"The body did not arrive within {MOST_SECONDS} seconds.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem(499, "The client has left.") from None
    return bytes(whole)


def _problem(error: ValidationError) -> Problem:
    first, *others = error.errors(include_url=False, include_context=False)
    if first["type"] == "json_invalid":
        return Problem(400, f"The body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}. See /docs.")
    place = _place(first["loc"])
    rules = [first["msg"], *(other["msg"] for other in others if _place(other["loc"]) == place)]
    rule = ", or ".join(rule.removeprefix("Input ") for rule in dict.fromkeys(rules))
    return Problem(422, f"{place or 'The body'}: {rule}; got {_shown(first['input'])}. See /docs.")


def _place(loc: Sequence[str | int]) -> str:
    """("sessions", 0, 3, "int") -> "sessions[0][3]"."""
    place = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in loc if one not in _UNION)
    return place.removeprefix(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def written(document: Any) -> Response:
    """Records, dicts and lists as a JSON response; the encoder opens each record where it meets it, without copies."""
    body = json.dumps(document, default=vars, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(body.encode("utf-8", "replace"), media_type="application/json")
