"""One session of a case study: the items seen, the categories predicted, the items recommended and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hiersrec.serving.answers import Item, SeenItem
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.types import CATEGORY, ExternalId, Int32

SESSIONS, LENGTHS = 3, range(5, 8)


@dataclass(frozen=True)
class Likely:
    """A predicted category, and whether the next item is of it."""

    name: str
    probability: float
    is_right: bool


@dataclass(frozen=True)
class Shown:
    """An item of the list. `parts`: level -> the part of the score from its predicted categories."""

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
    """The first of the list, and the next item at any rank."""


def pick_sessions(dataset: Dataset) -> list[Int32]:
    """Up to SESSIONS test sessions of LENGTHS different items, all known, evenly spread over the split."""
    test = dataset.sessions("test")
    sizes = np.diff(test.offsets)
    by_length = (test[number] for number in np.flatnonzero((sizes >= LENGTHS[0]) & (sizes <= LENGTHS[-1])).tolist())
    usable = [session for session in by_length if session.min() > 0 and len(set(session.tolist())) == len(session)]
    count = min(SESSIONS, len(usable))
    return [usable[len(usable) * (2 * number + 1) // (2 * count)] for number in range(count)]


def of_session(recommender: Recommender, walk: Sequence[ExternalId], listed: int) -> Case:
    """Recommend after all but the last item of `walk`, all known; show the first `listed` items and that last."""
    size = recommender.catalog.num_items
    ranking = recommender.recommend([walk[:-1]], size)[0]
    target = next(item for item in ranking.items if item.item_id == walk[-1])
    answer = recommender.recommend([walk[:-1]], max(min(listed, size), target.rank), explain=True)[0]
    levels = [
        [
            Likely(_category(guess.name), guess.probability, guess.path == target.category_path[: level + 1])
            for guess in guesses
        ]
        for level, guesses in enumerate(task for task in answer.guesses if task[0].task.startswith(CATEGORY))
    ]
    shown = [_shown(item, target.rank) for item in answer.items if item.rank <= listed or item.rank == target.rank]
    return Case([_title(item) for item in answer.session], _title(target), levels, shown)


def _shown(item: Item, target_rank: int) -> Shown:
    assert item.reasons is not None
    levels = [reason for reason in item.reasons if reason.source.startswith(CATEGORY)]
    parts = {int(reason.source.removeprefix(CATEGORY)): reason.value for reason in levels}
    finest = next((_category(name) for name in reversed(item.category_path) if name is not None), "")
    return Shown(item.rank, _title(item), finest, item.score, parts, item.rank == target_rank)


def _title(item: Item | SeenItem) -> str:
    return f"item {item.item_id}" if item.title is None else item.title


def _category(name: str) -> str:
    """A category's name, with the word "category" before a mere number."""
    return f"category {name}" if name.isdecimal() else name
