"""The fields of responses. They are written as JSON from dataclasses; those here add what only the service knows.

The strings below the fields are their meanings in the description of the API (openapi.py).
"""

from dataclasses import dataclass
from typing import Any

from hiersrec.serving.answers import Recommendations
from hiersrec.types import ExternalId


@dataclass(frozen=True)
class Answer(Recommendations):
    """The answer to one session, with facts about the model."""

    catalog_size: int
    """Items that the model knows."""
    model_version: str | None
    """Changes with every export; null for a bundle that has none."""
    milliseconds: float
    """Time inside the server, from the complete request to the response."""


@dataclass(frozen=True)
class Answers:
    """The answers to several sessions, in their order."""

    answers: list[Recommendations]
    catalog_size: int
    model_version: str | None
    """Changes with every export; null for a bundle that has none."""
    milliseconds: float


@dataclass(frozen=True)
class ItemFacts:
    """Facts of an item in the catalogue."""

    item_id: ExternalId
    title: str | None
    category_path: list[str | None]
    """Coarse to fine; null where a level is missing."""
    train_count: int
    """Interactions in the training sessions."""


@dataclass(frozen=True)
class SimilarItem:
    """A similar item: rank 1 is the most similar."""

    rank: int
    item_id: ExternalId
    title: str | None
    category_path: list[str | None]
    """Coarse to fine; null where a level is missing."""
    similarity: float
    """Cosine of the vectors that the model compares with a session."""


@dataclass(frozen=True)
class SimilarResult:
    """The items most similar to one, best first."""

    item: ItemFacts
    items: list[SimilarItem]
    model_version: str | None
    """Changes with every export; null for a bundle that has none."""


@dataclass(frozen=True)
class SearchResult:
    """Items found by their titles, best first."""

    items: list[ItemFacts]


@dataclass(frozen=True)
class Category:
    """Where a category stands in the tree."""

    level: int
    """From 1, the coarsest."""
    path: list[str | None]
    """Names from level 1 down to it."""


@dataclass(frozen=True)
class CategoryFacts(Category):
    """One category, and how many items it has."""

    items: int
    """Number of its items."""


@dataclass(frozen=True)
class Categories:
    """The categories of all levels, or of the requested one."""

    levels: int
    """Number of levels of the tree."""
    categories: list[CategoryFacts]


@dataclass(frozen=True)
class CategoryItems(Category):
    """One category: the categories below it, and its items, most popular first."""

    children: list[CategoryFacts]
    """The categories directly below it."""
    total: int
    """Number of all items of the category."""
    items: list[ItemFacts]


@dataclass(frozen=True)
class Health:
    """That a worker answers."""

    status: str
    """"ok"."""


@dataclass(frozen=True)
class Readiness:
    """Whether a worker should get requests, and how busy it is."""

    status: str
    """"ready"."""
    waiting: int
    """Requests whose computation has not begun."""
    queue: int
    """Most of them."""
    last_reload: str | None
    """"ok" or "failed"; null before the first."""


@dataclass(frozen=True)
class ModelFacts:
    """The current model."""

    model_version: str | None
    """Changes with every export; null for a bundle that has none."""
    recipe: str | None
    dataset: str | None
    catalog_size: int
    max_length: int
    """Number of newest session items that it uses."""
    tasks: list[str]
    """What it predicts in addition to items."""
    candidates: dict[str, Any]
    """Which items are ranked by default."""
    explains: bool
    """Whether it gives reasons, with `explain`."""
