"""The answer to a session: plain frozen records, ready for JSON.

A reason says what a part of the model *adds* to a score. It doesn't say why somebody would want the item.
"""

from dataclasses import asdict, dataclass
from typing import Any

from hiersrec.types import ExternalId


@dataclass(frozen=True)
class Pull:
    """What one category, or class of another task, adds to an item's score, and how likely it is to be next."""

    name: str
    probability: float
    value: float


@dataclass(frozen=True)
class Reason:
    """One part of an item's score; the values of all reasons of an item sum to its score."""

    source: str
    """"session", "bias", "trend", "repeat", the name of a task ("category_1"), or "popular" for a session
    without a known item."""
    value: float
    strongest: list[Pull]
    """The categories (or other classes) that add or subtract most, largest first; empty where the source is no task."""
    rest: float
    """`value` less the values of `strongest`."""


@dataclass(frozen=True)
class Item:
    """One recommended item; rank 1 is the best."""

    rank: int
    item_id: ExternalId
    title: str | None
    score: float
    """The model's, or training events where `source` is not "session"."""
    category_path: list[str | None]
    """Coarse to fine; None where a level is missing."""
    reasons: list[Reason] | None
    """None unless requested."""
    source: str = "session"
    """"session" if the model ranked it for the session, else "popular_in_category" or "popular"."""


@dataclass(frozen=True)
class Guess:
    """One likely class of the next event. `probability` is a softmax over the known classes of the task."""

    task: str
    """"category_1", ..., "column_brand", "event_type"."""
    name: str
    path: list[str | None]
    """For a category the names from level 1 down to it; else only the name."""
    probability: float


@dataclass(frozen=True)
class SeenItem:
    """An item of the session that the catalogue knows."""

    item_id: ExternalId
    title: str | None


@dataclass(frozen=True)
class Recommendations:
    """The answer to one session."""

    session: list[SeenItem]
    """Items that count, oldest first: known ones, and no more than the model looks at."""
    unknown_ids: list[ExternalId]
    """Ids that the catalogue doesn't have, in their order; they are ignored."""
    fallback: str | None
    """Source of the last item, if not the session: "popular_in_category", where too few candidates were left,
    or "popular", where categories had no more or no id is known. See retrieval/fallback.py."""
    guesses: list[list[Guess]]
    """The likeliest classes of each auxiliary task; empty unless reasons were requested."""
    candidates: int
    """Items that were ranked: all of the catalogue, or the session's candidates, less seen ones if excluded."""
    items: list[Item]

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, text and numbers."""
        return asdict(self)
