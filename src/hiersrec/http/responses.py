"""Records -> JSON responses. Numbers above 2^53 are not written as such: JavaScript would read other ids."""

import json
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from hiersrec.serving.answers import Recommendations
from hiersrec.types import ExternalId

LARGEST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps."""


_ENCODER = json.JSONEncoder(default=vars, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def text_of(document: Any) -> str:
    """Dataclasses, dicts and lists as JSON, written without copies."""
    return _ENCODER.encode(document)


def encoded(document: Any) -> bytes:
    """The same as bytes."""
    return text_of(document).encode("utf-8", "replace")


def response(body: bytes) -> Response:
    """JSON as a response."""
    return Response(body, media_type="application/json")


def written(document: Any) -> Response:
    """`encoded` as a response."""
    return response(encoded(document))


def extended(body: bytes, more: dict[str, Any]) -> bytes:
    """A JSON object with more fields."""
    return body[:-1] + b"," + encoded(more)[1:]


def safe(answer: Recommendations, all_as_text: bool) -> Recommendations:
    """An answer whose ids every reader keeps: all as text, or only unknown ones that are too large."""
    if not all_as_text:
        large = any(map(is_large, answer.unknown_ids))
        return (
            replace(answer, unknown_ids=[str(i) if is_large(i) else i for i in answer.unknown_ids]) if large else answer
        )
    return replace(
        answer,
        session=[replace(item, item_id=str(item.item_id)) for item in answer.session],
        unknown_ids=[str(item_id) for item_id in answer.unknown_ids],
        items=[replace(item, item_id=str(item.item_id)) for item in answer.items],
    )


def is_large(item_id: ExternalId) -> bool:
    """Whether a number is not safe in JSON."""
    return isinstance(item_id, int) and abs(item_id) > LARGEST
