"""One session of a case study: what was seen, which categories are predicted, which items are recommended and why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hiersrec.serving.answers import Item, SeenItem
from hiersrec.serving.recommender import Recommender
from hiersrec.types import CATEGORY, ExternalId


@dataclass(frozen=True)
class Likely:
    """A predicted category, and whether the next item is of it."""

    name: str
    probability: float
    is_right: bool


@dataclass(frozen=True)
class Shown:
    """An item of the list. `parts`: level -> what its predicted categories add to the score."""

    rank: int
    title: str
    category: str
    score: float
    parts: dict[int, float]
    is_next: bool


@dataclass(frozen=True)
class Case:
    """A session without its last item."""

    seen: list[str]
    next_title: str
    levels: list[list[Likely]]
    """The likeliest categories of each level, best first."""
    items: list[Shown]
    """The first of the list, and the next item wherever it stands."""

    def document(self) -> dict[str, Any]:
        """The same as dicts, lists, text and numbers."""
        return asdict(self)


def of_session(recommender: Recommender, walk: Sequence[ExternalId], listed: int) -> Case:
    """Recommend for all but the last item of `walk`, all of them known, and show the first `listed` and the last."""
    size = recommender.catalog.num_items
    everything = recommender.recommend([walk[:-1]], size)[0]
    true = next(item for item in everything.items if item.item_id == walk[-1])
    answer = recommender.recommend([walk[:-1]], max(min(listed, size), true.rank), explain=True)[0]
    levels = [
        [Likely(_category(one.name), one.probability, one.path == true.category_path[: level + 1]) for one in guesses]
        for level, guesses in enumerate(one for one in answer.guesses if one[0].task.startswith(CATEGORY))
    ]
    shown = [_shown(item, true.rank) for item in answer.items if item.rank <= listed or item.rank == true.rank]
    return Case([_title(one) for one in answer.session], _title(true), levels, shown)


def _shown(item: Item, true_rank: int) -> Shown:
    assert item.reasons is not None
    parts = {
        int(one.source.removeprefix(CATEGORY)): one.value for one in item.reasons if one.source.startswith(CATEGORY)
    }
    finest = next((name for name in reversed(item.category_path) if name is not None), None)
    return Shown(
        item.rank, _title(item), "" if finest is None else _category(finest), item.score, parts, item.rank == true_rank
    )


def _title(item: Item | SeenItem) -> str:
    return f"item {item.item_id}" if item.title is None else item.title


def _category(name: str) -> str:
    """A category's name; one that is a mere number says what it is a number of."""
    return f"category {name}" if name.isdecimal() else name
