import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.evaluation import future_items
from hiersrec.store.sessions import Prefixes, Sessions

ITEM = st.integers(-3, 6).filter(bool)
NODES = np.array([0, 1, 1, 2, 2, 3, 3], np.int32)  # node 3 is an unknown one


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ITEM, max_size=8), min_size=1, max_size=6), st.booleans(), st.integers(0, 99))
def test_against_sets(sessions, last_only, seed) -> None:
    stored = Sessions.from_lists(sessions)
    prefixes = Prefixes.last(stored) if last_only else Prefixes.every(stored)
    ends = [
        session[end:]
        for session in sessions
        if len(session) > 1
        for end in range(len(session) - 1 if last_only else 1, len(session))
    ]
    rows = np.random.default_rng(seed).permutation(len(prefixes))
    listed = np.array([[0, 2, 5, 3]] * len(rows), np.int32).reshape(-1, 4)

    items = future_items.of_prefixes(prefixes, rows)
    nodes = np.array([NODES[max(item, 0)] for session in sessions for item in session], np.int32)
    categories = future_items.of_classes(prefixes, rows, np.where(nodes == 3, 0, nodes))

    expected_items = [set(ends[row]) for row in rows]
    future_nodes = [{int(NODES[item]) for item in items if item > 0} & {1, 2} for items in expected_items]
    for pairs, expected in ((items, expected_items), (categories, future_nodes)):
        as_sets = [set(pairs.items[pairs.rows == row].tolist()) for row in range(len(rows))]
        assert as_sets == expected
        assert future_items.counts(pairs, len(rows)).tolist() == [len(items) for items in expected]
        assert future_items.in_lists(pairs, listed).tolist() == [
            [item in items for item in (0, 2, 5, 3)] for items in expected
        ]


def test_an_unseen_item_is_never_found_and_never_another_rows() -> None:
    prefixes = Prefixes.every(Sessions.from_lists([[1, -1, -2], [1, -1]]))
    pairs = future_items.of_prefixes(prefixes, np.arange(3))
    assert future_items.counts(pairs, 3).tolist() == [2, 1, 1]
    assert not future_items.in_lists(pairs, np.array([[0, 1], [2, 3], [0, 1]], np.int32)).any()
