"""A toy shop whose next items are known: the last item decides the next one, and nothing else does.

Two departments of three shelves of eight items. A session goes from shelf to shelf in a circle, and on the next shelf
to the item that `next_item` names. So the next category follows from the last category, and the next item from the
last item; popularity knows nothing. One item has no shelf, only a department.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.dataset import TrainingData
from hiersrec.store.item_catalog import Level
from hiersrec.store.sessions import Sessions

DEPARTMENTS = ["Food", "Tools"]
SHELVES = ["Apples", "Bread", "Cheese", "Drills", "Files", "Hammers"]
DEPARTMENT_OF_SHELF = [0, 0, 0, 1, 1, 1]
PER_SHELF = 8
NUM_ITEMS = len(SHELVES) * PER_SHELF
WITHOUT_SHELF = NUM_ITEMS
"""The last item of the last shelf: its level 2 is missing."""
COLOURS = ["blue", "green", "red"]
EVENT_TYPES = ["order", "view"]


class Toy(NamedTuple):
    """The shop: what `fit` may see, and test sessions."""

    data: TrainingData
    test: Sessions


def next_item(item: int, stay: bool = False) -> int:
    """The item (from 1) that follows `item` (from 1), on the next shelf or on the same; every item follows just one."""
    shelf, place = divmod(item - 1, PER_SHELF)
    return (shelf + (not stay)) % len(SHELVES) * PER_SHELF + (3 * place + shelf) % PER_SHELF + 1


def walks(number: int, seed: int, stay: bool = False) -> list[list[int]]:
    """Sessions of 3 to 8 items; low places on a shelf are likelier starts, so popularity is not flat."""
    random = np.random.default_rng(seed)
    sessions = []
    for _ in range(number):
        place = min(random.integers(PER_SHELF), random.integers(PER_SHELF))
        session = [int(random.integers(len(SHELVES)) * PER_SHELF + place + 1)]
        for _ in range(random.integers(2, 8)):
            session.append(next_item(session[-1], stay))
        sessions.append(session)
    return sessions


def toy(train: int = 600, test: int = 60, seed: int = 0, stay: bool = False) -> Toy:
    """The shop in memory, as prepare would number it; with `stay`, sessions never leave their shelf."""
    sessions = walks(train, seed, stay)
    data = TrainingData(catalog(sessions), stored(sessions), stored(walks(test, seed + 1, stay)))
    return Toy(data, stored(walks(test, seed + 2, stay)))


def stored(sessions: list[list[int]]) -> Sessions:
    """Sessions in memory, with the types of their events."""
    return Sessions.from_lists(sessions, [[event_type(item) for item in session] for session in sessions])


def event_type(item: int) -> int:
    """Number of the type of every event on an item: low places on a shelf are ordered (1), high ones viewed (2)."""
    return 1 if (item - 1) % PER_SHELF < PER_SHELF // 2 else 2


def catalog(sessions: Sequence[Sequence[int]]) -> Catalog:
    """The catalogue, counted on `sessions`: ids "a0".."f7", titles, a colour for all but every fourth item."""
    item = np.arange(1, NUM_ITEMS + 1)
    shelf = (item - 1) // PER_SHELF
    node_1 = np.array(DEPARTMENT_OF_SHELF)[shelf] + 1
    node_2 = np.where(item == WITHOUT_SHELF, len(SHELVES) + 1, shelf + 1)
    counts = np.bincount([one for session in sessions for one in session], minlength=NUM_ITEMS + 1)
    names_2 = [*SHELVES, None]
    items = pa.table(
        {
            "item": pa.array(item, pa.int32()),
            "item_id": [item_id(one) for one in item.tolist()],
            "train_count": pa.array(counts[1:], pa.int64()),
            "node_1": pa.array(node_1, pa.int32()),
            "node_2": pa.array(node_2, pa.int32()),
            "category_1": [DEPARTMENTS[node - 1] for node in node_1],
            "category_2": [names_2[node - 1] for node in node_2],
            "title": [title(one) for one in item.tolist()],
            "colour": [[None, *COLOURS][colour(one)] for one in item.tolist()],
        }
    )
    levels = [
        Level(len(DEPARTMENTS), [None, *DEPARTMENTS], np.zeros(len(DEPARTMENTS) + 1, np.int32)),
        Level(len(SHELVES), [None, *names_2], np.array([0, *(np.array(DEPARTMENT_OF_SHELF) + 1), 2], np.int32)),
    ]
    types = np.bincount([event_type(one) for session in sessions for one in session], minlength=3)
    return Catalog(items, levels, [_colour(), _title_words()], dict(zip(EVENT_TYPES, types[1:].tolist(), strict=True)))


def item_id(item: int) -> str:
    """External id of an item: sorted ids are in order of number."""
    shelf, place = divmod(int(item) - 1, PER_SHELF)
    return f"{'abcdef'[shelf]}{place}"


def title(item: int) -> str:
    """Such as "Bread no 3"."""
    shelf, place = divmod(int(item) - 1, PER_SHELF)
    return f"{SHELVES[shelf]} no {place}"


def colour(item: int) -> int:
    """1 to 3, or 0 for none."""
    return item % 4


def _colour() -> Feature:
    tokens = np.array([[0], *([colour(item)] for item in range(1, NUM_ITEMS + 1))], np.int32)
    return Feature("colour", "categorical", len(COLOURS) + 1, float((tokens[1:] > 0).mean()), tokens)


def _title_words() -> Feature:
    words = sorted({word for item in range(1, NUM_ITEMS + 1) for word in title(item).lower().split()})
    rows = [[1 + words.index(word) for word in title(item).lower().split()] for item in range(1, NUM_ITEMS + 1)]
    return Feature("title", "text", len(words) + 1, 1.0, np.array([[0, 0, 0], *rows], np.int32))


def write_toy(folder: Path, sessions: int = 660, seed: int = 0) -> Path:
    """events.csv (session_id, item_id, timestamp) and items.csv (item_id, category_1, category_2, title, colour)."""
    folder.mkdir(parents=True, exist_ok=True)
    events = ["session_id,item_id,timestamp"]
    for number, session in enumerate(walks(sessions, seed)):
        start = 1_600_000_000 + number * 3600
        events += [f"s{number:05},{item_id(item)},{start + 60 * at}" for at, item in enumerate(session)]
    items = ["item_id,category_1,category_2,title,colour"]
    for item in range(1, NUM_ITEMS + 1):
        shelf = (item - 1) // PER_SHELF
        name = "" if item == WITHOUT_SHELF else SHELVES[shelf]
        hue = COLOURS[colour(item) - 1] if colour(item) else ""
        items.append(f"{item_id(item)},{DEPARTMENTS[DEPARTMENT_OF_SHELF[shelf]]},{name},{title(item)},{hue}")
    (folder / "events.csv").write_text("\n".join(events) + "\n", encoding="utf-8")
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    return folder
