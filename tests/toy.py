"""The toy shop of hiersrec.testing, and what only our own tests need of it."""

import numpy as np

from hiersrec.testing.toy import (
    COLOURS,
    DEPARTMENT_OF_SHELF,
    DEPARTMENTS,
    EVENT_TYPES,
    NUM_ITEMS,
    PER_SHELF,
    SHELVES,
    WITHOUT_SHELF,
    Toy,
    catalog,
    colour,
    event_type,
    item_id,
    next_item,
    stored,
    title,
    toy,
    walks,
    write_toy,
)

__all__ = [
    "COLOURS",
    "DEPARTMENTS",
    "DEPARTMENT_OF_SHELF",
    "EVENT_TYPES",
    "NUM_ITEMS",
    "PER_SHELF",
    "SHELVES",
    "WITHOUT_SHELF",
    "Toy",
    "catalog",
    "colour",
    "event_type",
    "fashion",
    "item_id",
    "next_item",
    "stored",
    "title",
    "toy",
    "walks",
    "write_toy",
]


def fashion(num_items: int, train: object) -> np.ndarray:
    """In place of score_terms.trend.trend, since the toy shop has no fashions: (N,) float32, none of them 0."""
    del train
    return np.sin(np.arange(1, num_items + 1)).astype(np.float32)
