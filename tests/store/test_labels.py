"""What tasks may predict of an event, against the catalogue's tables read by hand."""

import numpy as np
import pytest

from hiersrec.store.labels import of_event_types, of_items
from hiersrec.store.sessions import Sessions
from tests.toy import COLOURS, NUM_ITEMS, SHELVES, WITHOUT_SHELF, colour, event_type, toy

SHOP = toy(train=40)
CATALOG = SHOP.data.catalog


def test_the_tasks_of_the_toy_shop() -> None:
    assert list(CATALOG.labels) == ["category_1", "category_2", "path", "column_colour", "event_type"]
    assert CATALOG.labels["category_2"].names == SHELVES
    assert CATALOG.labels["column_colour"].names == COLOURS
    assert CATALOG.labels["event_type"].names == ["order", "view"]


def test_classes_of_items_follow_the_tables() -> None:
    shelf, hue = (CATALOG.labels[task].of_item for task in ("category_2", "column_colour"))

    expected = [0 if item == WITHOUT_SHELF else (item - 1) // 8 + 1 for item in range(1, NUM_ITEMS + 1)]
    assert shelf.tolist() == [0, *expected]
    assert hue.tolist() == [0, *(colour(item) for item in range(1, NUM_ITEMS + 1))]


@pytest.mark.parametrize("task", CATALOG.labels)
def test_counts_are_those_of_the_training_events(task) -> None:
    labels, train = CATALOG.labels[task], SHOP.data.train

    classes = labels.of_events(train)

    assert labels.train_count.dtype == np.int64
    assert labels.train_count.tolist() == [0, *((classes == c).sum() for c in range(1, labels.num_known + 1))]


def test_events_on_unseen_items_have_a_type_and_no_category() -> None:
    sessions = Sessions.from_lists([[3, -1], [-2, 9, 5]], [[1, 2], [2, 0, 1]])

    assert CATALOG.labels["category_1"].of_events(sessions).tolist() == [1, 0, 0, 1, 1]
    assert CATALOG.labels["event_type"].of_events(sessions).tolist() == [1, 2, 2, 0, 1]
    assert CATALOG.labels["event_type"].of_events(Sessions.from_lists([[3, -1]])).tolist() == [0, 0]


def test_the_type_is_of_the_event_and_not_of_the_item() -> None:
    assert CATALOG.labels["event_type"].of_item is None
    assert SHOP.test.event_types.tolist() == [event_type(item) for item in SHOP.test.items]


def test_codes_above_the_known_ones_are_unknown() -> None:
    labels = of_items(["A", "B"], np.array([0, 2, 3, 1, 4, 2], np.int32), np.array([0, 5, 7, 1, 9, 2]))

    assert labels.of_item.tolist() == [0, 2, 0, 1, 0, 2]
    assert labels.train_count.tolist() == [0, 1, 7]
    assert of_event_types({"view": 3, "order": 1}).train_count.tolist() == [0, 3, 1]
