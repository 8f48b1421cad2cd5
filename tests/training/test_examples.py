"""Rows of training sessions: every prefix once, as prefixes or as whole sessions, and what followed."""

import numpy as np
import pytest
import torch

from hiersrec.store.sessions import Prefixes, Sessions
from hiersrec.training.examples import Examples, examples_of

SESSIONS = [[5, 3, 5], [7], [], [1, 2, 3, 4, 5, 6, 7, 8], [9, 9]]
TYPES = [[1, 2, 3], [1], [], [1, 1, 2, 2, 3, 3, 1, 2], [3, 0]]
CPU = torch.device("cpu")


def examples(max_length: int, every: bool, typed: bool = True) -> Examples:
    return examples_of(Sessions.from_lists(SESSIONS, TYPES if typed else None), max_length, every, CPU)


def prefixes(max_length: int) -> list[tuple[list[int], int, int]]:
    """Newest items of every prefix, the next one and its type, by slicing lists."""
    return [
        (session[max(0, end - max_length) : end], session[end], types[end])
        for session, types in zip(SESSIONS, TYPES, strict=True)
        for end in range(1, len(session))
    ]


def pieces(max_length: int) -> list[tuple[list[int], list[int], list[int]]]:
    return [
        (
            session[start : min(start + max_length, len(session) - 1)],
            session[start + 1 :][:max_length],
            types[start + 1 :][:max_length],
        )
        for session, types in zip(SESSIONS, TYPES, strict=True)
        for start in range(0, len(session) - 1, max_length)
    ]


def rows_of(made: Examples) -> tuple[list[list[int]], list[int], list[int]]:
    """Items of each row, and what followed, all rows in one step."""
    step = made.step(np.arange(len(made.starts)))
    assert step.items.dtype == step.lengths.dtype == step.targets.items.dtype == torch.int64
    items = [row[:length] for row, length in zip(step.items.tolist(), step.lengths.tolist(), strict=True)]
    assert int((step.items > 0).sum()) == sum(map(len, items)), "padding is 0"
    assert step.targets.event_types is not None
    return items, step.targets.items.tolist(), step.targets.event_types.tolist()


@pytest.mark.parametrize("max_length", [1, 3, 50])
def test_prefixes(max_length) -> None:
    made = examples(max_length, every=False)
    expected = prefixes(max_length)

    assert rows_of(made) == tuple(map(list, zip(*expected, strict=True)))
    assert len(made) == made.count(np.arange(10)) == len(expected) == 10
    assert not made.step(np.array([0])).targets.every


def test_prefixes_are_those_of_evaluation() -> None:
    sessions = Sessions.from_lists(SESSIONS)
    theirs = Prefixes.every(sessions)
    rows = np.arange(len(theirs))
    items, lengths = theirs.gather(rows, 4)

    step = examples_of(sessions, 4, False, CPU).step(rows)

    assert step.items.tolist() == items.tolist()
    assert step.lengths.tolist() == lengths.tolist()
    assert step.targets.items.tolist() == theirs.targets(rows).tolist()


@pytest.mark.parametrize("max_length", [1, 3, 7, 50])
def test_whole_sessions_in_pieces(max_length) -> None:
    """Every item but the first of a session is trained once, whatever the length of the pieces."""
    made = examples(max_length, every=True)
    items, targets, types = rows_of(made)
    expected = pieces(max_length)

    assert items == [piece for piece, _, _ in expected]
    assert targets == [item for _, after, _ in expected for item in after]
    assert types == [type_ for _, _, after in expected for type_ in after]
    assert sorted(targets) == sorted(item for session in SESSIONS for item in session[1:])
    assert len(made) == made.count(np.arange(len(items))) == 10
    assert made.step(np.array([0])).targets.every


@pytest.mark.parametrize("every", [False, True])
def test_an_epoch_has_every_row_once_in_an_order_of_seed_and_epoch(every) -> None:
    made = examples(50, every)
    rows = [np.concatenate(made.batches(3, *key)).tolist() for key in ((0, 0), (0, 0), (0, 1), (1, 0))]

    assert all(sorted(order) == list(range(len(made.starts))) for order in rows)
    assert rows[0] == rows[1]
    assert len({tuple(order) for order in rows}) > 1
    assert sum(made.count(batch) for batch in made.batches(3, 0, 0)) == 10


def test_without_types_there_are_none() -> None:
    assert examples(50, every=False, typed=False).step(np.array([0])).targets.event_types is None


def test_a_read_only_memory_map_will_do(tmp_path) -> None:
    np.save(tmp_path / "items.npy", np.array([1, 2], np.int32))
    mapped = Sessions(np.load(tmp_path / "items.npy", mmap_mode="r"), np.array([0, 2]))

    assert examples_of(mapped, 5, False, CPU).step(np.array([0])).items.tolist() == [[1]]
