"""What a person gets for a session: plain frozen records, ready for JSON.

The words are chosen with care: a reason says what a part of the model *adds* to a score. It doesn't say why somebody
would want the item.
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
    """One addend of an item's score; the values of all reasons of an item sum to its score."""

    source: str
    """"session", "bias", "trend", "repeat", the name of a task ("category_1"), or "popular" where the session says
    nothing."""
    value: float
    strongest: list[Pull]
    """The categories (or other classes) that add or take most, largest first; empty where the source is no task."""
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
    """None unless asked for."""
    source: str = "session"
    """"session" if the model ranked it for the session, else "popular_in_category" or "popular"."""


@dataclass(frozen=True)
class Guess:
    """One thing that a task says of the next event. `probability` is a softmax over the known classes of the task."""

    task: str
    """"category_1", ..., "column_brand", "event_type"."""
    name: str
    path: list[str | None]
    """For a category the names from level 1 down to it; else the name alone."""
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
    """Ids that the catalogue doesn't have, in their order; they are passed over."""
    fallback: str | None
    """What the last item is from, if not from the session: "popular_in_category", where too few candidates were left,
    or "popular", where categories had no more or no id is known. See retrieval/fallback.py."""
    guesses: list[list[Guess]]
    """The likeliest classes of each task beside items that the model predicts; empty unless reasons were asked for."""
    candidates: int
    """Items that were ranked: all of the catalogue, or the session's candidates; seen ones left out if so asked."""
    items: list[Item]

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, text and numbers."""
        return asdict(self)
