"""Request bodies: fields, types and limits, read within bounded memory.

Bodies are strict pydantic models that refuse unknown fields.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.types import Message, Receive

from hiersrec.http.arrived import arrived
from hiersrec.http.errors import Problem, busy

MOST_BYTES = 1 << 20
"""Limit of a body."""
MOST_SECONDS = 10
"""Time limit for reading a body."""
MOST_IDS = 10_000
"""Limit of a session, and of a list of allowed or denied items."""
MOST_PATHS = 100
"""Limit of the categories to list from; each costs a pass over all items."""
MOST_SESSIONS = 256
"""Limit of a batch."""
MOST_LISTED = 1_000
"""Limit of k."""
MOST_HELD = 64 << 20
"""Limit of the bytes of all bodies that are arriving at a worker."""
LONGEST_ID = 1_000
"""Limit of the characters of an id."""
MOST_BOOST = 1_000
"""Limit of a boost, up or down, as in serving/boosts.py."""
SHOWN = 60
"""Characters of a wrong value in a message."""

_UNION = {"str", "int", "constrained-str", "constrained-int"}  # pydantic's names of the two types of an id
Id = Annotated[str, Field(max_length=LONGEST_ID)] | Annotated[int, Field(ge=-(2**63), lt=2**63)]
Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]
Path = Annotated[list[Annotated[str, Field(max_length=LONGEST_ID)]], Field(min_length=1, max_length=100)]


class RequestBody(BaseModel):
    """A body whose fields have the types that are said, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Narrowed(RequestBody):
    """Which items are ranked for a session."""

    policy: Literal["all", "category"] = Field(description="All items, or those of the likeliest categories.")
    top: int | None = Field(None, ge=1, lt=2**31, description="Best categories per level, for policy category.")
    share: float | None = Field(None, gt=0, le=1, description="Or: best categories that hold this share of the items.")
    mass: float | None = Field(None, gt=0, le=1, description="Or: likeliest category paths that hold this probability.")


Boost = Annotated[float, Field(ge=-MOST_BOOST, le=MOST_BOOST, allow_inf_nan=False)]


class CategoryBoost(RequestBody):
    """What is added to the scores of all items of a category."""

    path: Path = Field(description="Names from level 1 down.")
    value: Boost


class RequestOptions(RequestBody):
    """Options in addition to the sessions."""

    k: int = Field(20, ge=1, le=MOST_LISTED, description="Length of a list.")
    explain: bool = Field(False, description="Add likely categories and the parts of each score.")
    exclude_seen: bool = Field(False, description="Items of the session are not listed.")
    candidates: Narrowed | None = Field(None, description="Items to rank; null: as the bundle was exported.")
    allow: Ids | None = Field(None, description="List only these items.")
    deny: Ids | None = Field(None, description="Never list these items.")
    categories: Annotated[list[Path], Field(max_length=MOST_PATHS)] | None = Field(
        None, description="List only items whose category path begins with one of these."
    )
    per_category: int | None = Field(
        None, ge=1, lt=2**31, description="Most items of one category of the finest level."
    )
    boost: Annotated[dict[Annotated[str, Field(max_length=LONGEST_ID)], Boost] | None, Field(max_length=MOST_IDS)] = (
        Field(None, description="Item id -> what is added to its score.")
    )
    boost_categories: Annotated[list[CategoryBoost], Field(max_length=MOST_PATHS)] | None = Field(
        None, description="What is added to the scores of all items whose category path begins with one of these."
    )
    diversity: float = Field(
        0.0, ge=0, le=1, description="How much the distance of listed items in the tree counts against their scores."
    )


class One(RequestOptions):
    """One session."""

    session: Ids = Field(description="Item ids, oldest first.")


class Many(RequestOptions):
    """Several sessions, answered with the same options."""

    sessions: Annotated[list[Ids], Field(max_length=MOST_SESSIONS)] = Field(
        description="Lists of item ids; their number times k is at most 20,000, with explain 8,000."
    )


Body = TypeVar("Body", bound=RequestBody)
Content = TypeVar("Content", bytes, bytearray)


def documented_body(kind: type[RequestBody]) -> dict[str, Any]:
    """OpenAPI documentation of a body that FastAPI doesn't parse."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read(request: Request, kind: type[Body], most_bytes: int = MOST_BYTES) -> Body:
    """The validated body of a request. Raises Problem: 408 too slow, 413 too large, 400 not JSON, 422 breaks a rule."""
    try:
        return kind.model_validate_json(await _bytes(request, most_bytes))
    except ValidationError as error:
        raise _problem(error) from None


_held = 0
"""Bytes of the bodies that are arriving; only changed by the event loop."""


async def _bytes(request: Request, most_bytes: int) -> bytes:
    """The body, read up to the limits, which also apply without a Content-Length."""
    message = arrived(request.receive)
    if message is not None and message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        return _checked(whole, most_bytes)  # most bodies come with the head, and need no clock
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await _collected(request.receive, message, most_bytes)
    except TimeoutError:
        raise Problem(408, f"The body did not arrive within {MOST_SECONDS} seconds.", {"Connection": "close"}) from None


async def _collected(receive: Receive, message: Message | None, most_bytes: int) -> bytes:
    """The body from its first message, if that has arrived, on."""
    global _held
    content = bytearray()
    try:
        while True:
            if message is None:
                message = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(499, "The client has left.")
            part = message.get("body", b"")
            content += part
            _held += len(part)
            _checked(content, most_bytes)
            if _held > MOST_HELD:
                raise busy("Too many bodies are arriving at once. Try again in a second.")
            if not message.get("more_body", False):
                return bytes(content)
            message = None
    finally:
        _held -= len(content)


def _checked(content: Content, most_bytes: int) -> Content:
    if len(content) > most_bytes:
        raise Problem(413, f"The body is larger than {most_bytes:,} bytes. Send less at once.")
    return content


def _problem(error: ValidationError) -> Problem:
    first, *others = error.errors(include_url=False, include_context=False)
    if first["type"] == "json_invalid":
        return Problem(400, f"The body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}. See /docs.")
    field = _field(first["loc"])
    rules = [first["msg"], *(other["msg"] for other in others if _field(other["loc"]) == field)]
    rule = ", or ".join(rule.removeprefix("Input ") for rule in dict.fromkeys(rules))
    return Problem(422, f"{field or 'The body'}: {rule}; got {_shown(first['input'])}. See /docs.")


def _field(loc: Sequence[str | int]) -> str:
    """("sessions", 0, 3, "int") -> "sessions[0][3]"."""
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc if key not in _UNION)
    return path.removeprefix(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
