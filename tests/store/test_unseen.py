import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as some

from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.store.unseen import renumbered


def catalog(ids: list[int] | list[str]) -> Catalog:
    return Catalog(pa.table({"item_id": ids}), [], [])


def unseen(ids: list[int] | list[str]) -> pa.Table:
    return pa.table({"item_id": ids, "item": pa.array(-np.arange(1, len(ids) + 1), pa.int32())})


@given(
    some.lists(some.lists(some.integers(-5, 4).filter(bool), max_size=6), min_size=1, max_size=8),
    some.sets(some.integers(100, 105), max_size=6),
)
def test_against_a_slow_twin(lists, added):
    """Known: items 1 to 4 are ids 10 to 40. Unseen: -1 to -5 are ids 101 to 105, of which `added` are known now."""
    ids = [10, 20, 30, 40, *sorted(added)]
    expected = [
        [ids.index(100 - item) + 1 if item < 0 and 100 - item in ids else item for item in session] for session in lists
    ]
    types = [[1 for _ in session] for session in lists]

    result = renumbered(Sessions.from_lists(lists, types), unseen([101, 102, 103, 104, 105]), catalog(ids))

    assert [result[row].tolist() for row in range(len(result))] == expected
    assert result.items.dtype == np.int32
    assert result.event_types is not None
    assert len(result.event_types) == len(result.items)


def test_ids_that_are_text():
    result = renumbered(Sessions.from_lists([[1, -2, -1]]), unseen(["x", "y"]), catalog(["a", "y"]))

    assert result.items.tolist() == [1, 2, -1]


def test_nothing_is_copied_where_nothing_was_added():
    sessions = Sessions.from_lists([[1, -1, 2], [-2, 1]])

    assert renumbered(sessions, unseen(["x", "y"]), catalog(["a", "b"])) is sessions
    assert renumbered(sessions, unseen([]), catalog(["a", "b"])) is sessions


def test_what_was_given_stays_as_it_is():
    sessions = Sessions.from_lists([[1, -1, 2]])

    renumbered(sessions, unseen(["x"]), catalog(["a", "b", "x"]))

    assert sessions.items.tolist() == [1, -1, 2]
