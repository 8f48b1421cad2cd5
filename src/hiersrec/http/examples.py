"""An example for each request of the API, with its answer: what the service of the demo said on 2026-11-30.

Numbers are rounded, lists are shortened, and parts of a score that are 0 are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One request and its answer. parameters: of path and query; body: None for a request without one."""

    answer: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None


VERSION = "d938fc28ba46"
BEATLES = {"item_id": 4040, "title": "The Beatles"}
WAR = {"item_id": 4542, "title": "World War II"}
MUSIC = ["Music", "Music: Performers and composers", None]
BRITISH = ["History", "British History"]


def _pulls(*pulls: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"name": name, "probability": probability, "value": value} for name, probability, value in pulls]


REASONS = [
    {"source": "session", "value": 8.209, "strongest": [], "rest": 8.209},
    {
        "source": "category_1",
        "value": 0.286,
        "strongest": _pulls(("History", 0.433, 0.145), ("Geography", 0.412, 0.051), ("People", 0.088, 0.035)),
        "rest": 0.056,
    },
    {
        "source": "category_2",
        "value": 0.709,
        "strongest": _pulls(
            ("Military History and War", 0.107, 0.338),
            ("European Geography", 0.179, 0.151),
            ("British History", 0.038, -0.068),
        ),
        "rest": 0.288,
    },
    {
        "source": "category_3",
        "value": 0.412,
        "strongest": _pulls(
            ("European Countries", 0.167, 0.184),
            ("British History Post 1900", 0.035, 0.085),
            ("Asian Countries", 0.061, 0.08),
        ),
        "rest": 0.063,
    },
    {"source": "average_item", "value": -1.785, "strongest": [], "rest": -1.785},
]
LISTED = {
    "rank": 1,
    "item_id": 3815,
    "title": "Soviet Union",
    "score": 7.831,
    "category_path": ["History", "Recent History", None],
    "reasons": REASONS,
    "source": "session",
}
LISTED_TOO = {
    "rank": 1,
    "item_id": 4297,
    "title": "United States",
    "score": 8.467,
    "category_path": ["Geography", "North American Geography", None],
    "reasons": None,
    "source": "session",
}
GUESSES = [
    [
        {"task": "category_1", "name": "History", "path": ["History"], "probability": 0.433},
        {"task": "category_1", "name": "Geography", "path": ["Geography"], "probability": 0.412},
    ]
]
ORIGIN = {"catalog_size": 4126, "model_version": VERSION, "milliseconds": 11.194}


def _list(session: list[dict[str, Any]], unknown: list[Any], item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "session": session,
        "unknown_ids": unknown,
        "fallback": None,
        "guesses": [],
        "coherent": True,
        "candidates": 2116,
        "items": [item],
        **more,
    }


def _facts(item: dict[str, Any], path: list[str | None], count: int) -> dict[str, Any]:
    return {**item, "category_path": path, "train_count": count}


STOCK = {
    "list": "unavailable",
    "ids": 2,
    "known": 1,
    "unknown": 1,
    "listed": 4125,
    "catalog_size": 4126,
    "set_at": "2026-11-30T09:00:00.000+00:00",
}

EXAMPLES: Mapping[tuple[str, str], Example] = {
    ("post", "/v1/recommend"): Example(
        {**_list([BEATLES, WAR], [], LISTED, guesses=GUESSES, candidates=2117), **ORIGIN},
        body={
            "session": [4040, 4542],
            "k": 1,
            "explain": True,
            "candidates": {"policy": "category", "top": 4},
        },
    ),
    ("post", "/v1/recommend/batch"): Example(
        {
            "answers": [
                _list([BEATLES, WAR], [], {**LISTED, "reasons": None}),
                _list([WAR], ["nobody"], LISTED_TOO),
            ],
            **ORIGIN,
        },
        body={"sessions": [[4040, 4542], [4542, "nobody"]], "k": 1, "exclude_seen": True},
    ),
    ("get", "/v1/items"): Example(
        {
            "items": [
                _facts({"item_id": 2832, "title": "Moon"}, ["Science", "Physics", "Space Astronomy"], 441),
                _facts({"item_id": 2833, "title": "Moon landing"}, ["Science", "Physics", "Space transport"], 42),
            ]
        },
        {"query": "moon", "limit": 2},
    ),
    ("get", "/v1/items/{item_id}"): Example(_facts(BEATLES, MUSIC, 232), {"item_id": "4040"}),
    ("get", "/v1/items/{item_id}/similar"): Example(
        {
            "item": _facts(BEATLES, MUSIC, 232),
            "items": [
                {
                    "rank": 1,
                    "item_id": 3176,
                    "title": "Paul McCartney",
                    "category_path": ["People", "People: Performers and composers", None],
                    "similarity": 0.768,
                }
            ],
            "model_version": VERSION,
        },
        {"item_id": "4040", "k": 1},
    ),
    ("get", "/v1/categories"): Example(
        {
            "levels": 3,
            "categories": [
                {"level": 1, "path": ["Art"], "items": 34},
                {"level": 1, "path": ["Business Studies"], "items": 81},
            ],
        },
        {"level": 1},
    ),
    ("get", "/v1/categories/{path}"): Example(
        {
            "level": 2,
            "path": BRITISH,
            "children": [{"level": 3, "path": [*BRITISH, "British History Post 1900"], "items": 15}],
            "total": 142,
            "items": [_facts(WAR, [*BRITISH, "British History Post 1900"], 1622)],
        },
        {"path": "History/British History", "limit": 1},
    ),
    ("get", "/v1/model"): Example(
        {
            "model_version": VERSION,
            "recipe": "best",
            "dataset": "wikispeedia",
            "catalog_size": 4126,
            "max_length": 50,
            "tasks": ["category_1", "category_2", "category_3", "path"],
            "candidates": {"policy": "category", "top": 4, "share": None, "mass": None},
            "explains": True,
        }
    ),
    ("get", "/healthz"): Example({"status": "ok"}),
    ("get", "/readyz"): Example({"status": "ready", "waiting": 0, "queue": 256, "last_reload": None}),
    ("get", "/metrics"): Example('hiersrec_requests_total{endpoint="/v1/recommend",status="200"} 12.0\n'),
    ("get", "/v1/availability"): Example(STOCK),
    ("put", "/v1/availability"): Example(STOCK, body={"unavailable": [4040, "sku-3"]}),
}
ERROR = {"error": "The catalogue has no item 'nobody'. Find one with /v1/items?query=."}
