"""The toy shop itself: its right answer is one, and its files say the same as its arrays."""

import csv

import numpy as np

from tests.toy import DEPARTMENT_OF_SHELF, NUM_ITEMS, PER_SHELF, WITHOUT_SHELF, next_item, toy, walks, write_toy


def test_every_item_follows_exactly_one_and_stands_on_the_next_shelf() -> None:
    items = range(1, NUM_ITEMS + 1)
    assert sorted(map(next_item, items)) == list(items)
    assert sorted(next_item(item, stay=True) for item in items) == list(items)
    for item in items:
        shelf, following = (item - 1) // PER_SHELF, (next_item(item) - 1) // PER_SHELF
        assert following == (shelf + 1) % len(DEPARTMENT_OF_SHELF)
        assert (next_item(item, stay=True) - 1) // PER_SHELF == shelf


def test_the_same_seed_is_the_same_shop() -> None:
    assert walks(30, 4) == walks(30, 4)
    assert walks(30, 4) != walks(30, 5)


def test_all_items_are_seen_in_training() -> None:
    shop = toy()
    assert (shop.data.catalog.train_count[1:] > 0).all()
    assert shop.data.catalog.train_count.sum() == len(shop.data.train.items)


def test_files_and_arrays_agree(tmp_path) -> None:
    shop = toy(train=40, seed=0)
    write_toy(tmp_path, sessions=40, seed=0)
    with (tmp_path / "events.csv").open(encoding="utf-8") as stream:
        events = list(csv.DictReader(stream))
    with (tmp_path / "items.csv").open(encoding="utf-8") as stream:
        items = list(csv.DictReader(stream))

    assert [row["item_id"] for row in events] == shop.data.catalog.to_external(np.asarray(shop.data.train.items))
    assert [row["item_id"] for row in items] == shop.data.catalog.items["item_id"].to_pylist()
    assert [row["category_2"] or None for row in items] == shop.data.catalog.items["category_2"].to_pylist()
    assert shop.data.catalog.path(WITHOUT_SHELF) == ["Tools", None]
