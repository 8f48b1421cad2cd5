from functools import cache

import numpy as np
import pytest

from hiersrec.baselines.last_category import Config, fit
from hiersrec.retrieval.order import top_k
from hiersrec.store.batches import whole_sessions
from hiersrec.types import Scorer
from tests.toy import NUM_ITEMS, WITHOUT_SHELF, toy

SHOP = toy()
CATALOG = SHOP.data.catalog
NODES = CATALOG.item_nodes
COUNT = CATALOG.train_count


@cache
def scorer() -> Scorer:
    return fit(Config(), SHOP.data)


def listed(session: list[int]) -> list[int]:
    items, _ = top_k(scorer().score(whole_sessions([session], 100)).items, NUM_ITEMS)
    return items[0].tolist()


@pytest.mark.parametrize("session", [[1], [30, 9], [5, 20, 41]])
def test_same_shelf_then_same_department_then_the_rest(session) -> None:
    last = session[-1]

    def key(item: int) -> tuple[bool, bool, int, int]:
        return (NODES[item, 1] != NODES[last, 1], NODES[item, 0] != NODES[last, 0], -COUNT[item], item)

    assert listed(session) == sorted(range(1, NUM_ITEMS + 1), key=key)


def test_an_item_without_a_shelf_falls_back_to_its_department() -> None:
    def key(item: int) -> tuple[bool, int, int]:
        return (NODES[item, 0] != NODES[WITHOUT_SHELF, 0], -COUNT[item], item)

    assert listed([1, WITHOUT_SHELF]) == sorted(range(1, NUM_ITEMS + 1), key=key)


def test_categories_of_the_session_newest_first_then_by_popularity() -> None:
    session = [1, 20, 2, WITHOUT_SHELF, 33]  # shelves 1, 3, 1, none, 5
    scores = scorer().score(whole_sessions([session], 100)).categories[2]
    by_shelf = {node: COUNT[NODES[:, 1] == node].sum() for node in range(1, 7)}
    rest = sorted({2, 4, 6}, key=lambda node: (-by_shelf[node], node))
    assert top_k(scores, 6)[0][0].tolist() == [5, 1, 3, *rest]
    assert top_k(scorer().score(whole_sessions([session], 100)).categories[1], 2)[0][0].tolist() == [2, 1]


def test_only_equal_counts_tie() -> None:
    scores = scorer().score(whole_sessions([[1]], 100)).items[0, 1:]
    groups = {
        (bool(NODES[item, 1] == 1), bool(NODES[item, 0] == 1), int(COUNT[item])) for item in range(1, NUM_ITEMS + 1)
    }
    assert len(np.unique(scores)) == len(groups)
