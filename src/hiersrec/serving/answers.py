"""The answer to a session: plain frozen records, ready for JSON.

A reason says what a part of the model *adds* to a score. It doesn't say why somebody would want the item.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, overload

from hiersrec import frames
from hiersrec.errors import BadInput
from hiersrec.types import ExternalId

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

SIMILAR = "similar"
"""Source of an item that is listed for its likeness to another one; its score is the cosine of their vectors."""
BOOST = "boost"
"""Source of the reason that says what the shop added to a score."""
SHOWN = 5
"""Sessions, and items of each, that a repr shows."""


@dataclass(frozen=True)
class Pull:
    """What one category, or class of another task, adds to an item's score, and how likely it is to be next.

    It adds so much more, or less, than to the average item: a category that raises all items alike has 0.
    """

    name: str
    """"Egypt / ends here" for a category without a deeper one, "no category" where there is none at all."""
    probability: float
    value: float


@dataclass(frozen=True)
class Reason:
    """One part of an item's score; the values of all reasons of an item sum to its score.

    Each says what the part adds for this item against the average item of the catalogue, and the source "average_item"
    is the score of that one, the same for all items of a list. "boost" is what the shop added, as it was given.
    """

    source: str
    """"session", "bias", "trend", "repeat", "cooccurrence", the name of a task ("category_1"), "average_item", "boost",
    or only "popular" for an item that is listed by its training events."""
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
    """"session" if the model ranked it for the session, else "popular_in_category" or "popular"; or "similar"."""


@dataclass(frozen=True)
class Guess:
    """One likely class of the next event. `probability` is a softmax over the classes of the task."""

    task: str
    """"category_1", ..., "column_brand", "event_type"."""
    name: str
    """As Pull.name."""
    path: list[str | None]
    """For a category the names from level 1 down to it, None from where it ends; else only the name."""
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
    or "popular", where categories had no more or no id is known."""
    guesses: list[list[Guess]]
    """The likeliest classes of each auxiliary task; empty unless reasons were requested."""
    coherent: bool
    """Whether the levels of categories are one distribution over the tree, so that no category is likelier than its
    parent. If not, each level is predicted by itself."""
    candidates: int
    """Items that were ranked: all of the catalogue, or the session's candidates, less seen ones if excluded."""
    items: list[Item]

    def to_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, text and numbers."""
        return asdict(self)


class Answers(list[Recommendations]):
    """The answers to sessions, in their order; as a table they have a row for each recommended item.

    session_ids: what each session is called in the table; by default its number, from 0. catalog_size: N, where only
    candidates were ranked.
    """

    key = "session_id"
    """Name of the first column."""
    noun, unit = "Answers to", "session"

    def __init__(
        self,
        answers: Iterable[Recommendations],
        session_ids: Sequence[ExternalId] | None = None,
        catalog_size: int | None = None,
    ) -> None:
        super().__init__(answers)
        self.session_ids = list(range(len(self))) if session_ids is None else list(session_ids)
        self.catalog_size = catalog_size

    @overload
    def __getitem__(self, place: SupportsIndex) -> Recommendations: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: SupportsIndex | slice) -> "Recommendations | Self":
        """One answer, or some of them, which are a table again."""
        if not isinstance(place, slice):
            return super().__getitem__(place)
        return type(self)(super().__getitem__(place), self.session_ids[place], self.catalog_size)

    def parts(self) -> "Iterator[RenderableType]":
        """What a person reads in a terminal: of each session the likely categories, the items and their reasons."""
        from hiersrec.serving.render import render  # which imports this file

        for answer in self:
            yield from render(answer, self.catalog_size)
            yield ""

    def columns(self) -> dict[str, list[Any]]:
        """session_id, rank (from 1), item_id, title where items have one, score, source: lists of equal length."""
        if len(self) != len(self.session_ids):
            raise BadInput(
                f"There are {len(self)} answers to {len(self.session_ids)} sessions: answers were put in or taken out, "
                "so it is not known any more which belongs to which. Take some by a slice, or copy them: list(answers)."
            )
        rows = [(name, item) for name, answer in zip(self.session_ids, self, strict=True) for item in answer.items]
        columns: dict[str, list[Any]] = {self.key: [name for name, _ in rows]}
        for field in ("rank", "item_id", "title", "score", "source"):
            columns[field] = [getattr(item, field) for _, item in rows]
        if not any(title is not None for title in columns["title"]):
            del columns["title"]
        return columns

    def reasons(self) -> dict[str, list[Any]]:
        """The parts of each score as columns: session_id, rank, item_id, reason, value, in as many rows as reasons.

        Parts are told against the average item, and "average_item" is its score, see Reason.

        Raises BadInput if no reasons were requested.
        """
        rows = [
            (name, item.rank, item.item_id, reason.source, reason.value)
            for name, answer in zip(self.session_ids, self, strict=True)
            for item in answer.items
            for reason in item.reasons or ()
        ]
        if not rows and any(answer.items for answer in self):
            raise BadInput("These answers have no reasons. Ask for them with recommend(..., explain=True).")
        names = (self.key, "rank", "item_id", "reason", "value")
        return {name: [row[column] for row in rows] for column, name in enumerate(names)}

    def to_dicts(self) -> list[dict[str, Any]]:
        """The answers as dicts, lists, text and numbers, with reasons where they were requested."""
        return [answer.to_dict() for answer in self]

    def to_arrow(self) -> "pa.Table":
        """The table of `columns` as an Arrow table; raises MissingExtra without PyArrow."""
        return frames.to_arrow(self.columns())

    def to_frame(self, library: str | None = None) -> Any:
        """The table of `columns` as a frame of "pandas" or "polars"; by default of the one that is installed."""
        return frames.to_frame(self.columns(), library)

    def __repr__(self) -> str:
        lines = [
            f"{name}: {', '.join(item.title or str(item.item_id) for item in answer.items[:SHOWN])}"
            + (f", ... ({len(answer.items)} items)" if len(answer.items) > SHOWN else "")
            for name, answer in zip(self.session_ids[:SHOWN], self, strict=False)
        ]
        more = [f"... ({len(self)} {self.unit}s)"] if len(self) > SHOWN else []
        return "\n".join([f"{self.noun} {len(self)} {self.unit}{'' if len(self) == 1 else 's'}", *lines, *more])

    def _repr_html_(self) -> str:
        columns = self.columns()
        columns["score"] = [f"{score:.3f}" for score in columns["score"]]
        return frames.to_html(
            "", list(columns), ([str(cell) for cell in row] for row in zip(*columns.values(), strict=True))
        )


class SimilarItems(Answers):
    """Of some items the most similar others; the first column of the table, `similar_to`, is the item's own id."""

    key = "similar_to"
    noun, unit = "Similar to", "item"
