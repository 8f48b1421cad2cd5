from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.store.sessions import Prefixes, Sessions

# Negative numbers are items that training never saw; empty sessions are allowed.
SESSIONS = st.lists(st.lists(st.integers(-3, 9).filter(bool), max_size=6), max_size=6)


def slow_prefixes(sessions: list[list[int]], last_only: bool) -> list[tuple[int, list[int], int]]:
    """(session, known items before the target, target) of every prefix, by plain loops."""
    prefixes = []
    for number, session in enumerate(sessions):
        ends = range(1, len(session))
        for end in ends[-1:] if last_only else ends:
            prefixes.append((number, [item for item in session[:end] if item > 0], session[end]))
    return prefixes


@settings(deadline=None, max_examples=150)
@given(SESSIONS, st.booleans(), st.integers(1, 7))
def test_prefixes_equal_their_slow_twin(lists: list[list[int]], last_only: bool, max_length: int) -> None:
    sessions = Sessions.from_lists(lists)
    prefixes = Prefixes.last(sessions) if last_only else Prefixes.every(sessions)
    rows = np.arange(len(prefixes))
    items, lengths = prefixes.gather(rows, max_length)

    expected = slow_prefixes(lists, last_only)

    assert len(prefixes) == len(expected)
    if not last_only:
        assert np.repeat(np.arange(len(lists)), sessions.prefix_counts()).tolist() == [one for one, _, _ in expected]
    assert prefixes.session_of(rows).tolist() == [session for session, _, _ in expected]
    assert prefixes.lengths.tolist() == [len(known) for _, known, _ in expected]
    assert prefixes.targets(rows).tolist() == [target for _, _, target in expected]
    kept = [known[-max_length:] for _, known, _ in expected]
    assert lengths.tolist() == [len(known) for known in kept]
    assert items.shape == (len(expected), max([1, *map(len, kept)]))
    assert items.tolist() == [known + [0] * (items.shape[1] - len(known)) for known in kept]
    assert (items.dtype, lengths.dtype, prefixes.lengths.dtype) == (np.int32, np.int32, np.int32)


def test_a_small_case_by_hand() -> None:
    sessions = Sessions.from_lists([[3, -1, 4, 5], [7], [2, 2]])
    every = Prefixes.every(sessions)

    assert every.targets(np.arange(4)).tolist() == [-1, 4, 5, 2]
    assert every.gather(np.array([2, 1, 3]), 2)[0].tolist() == [[3, 4], [3, 0], [2, 0]]
    assert every.gather(np.array([2, 1, 3]), 1)[0].tolist() == [[4], [3], [2]]
    assert Prefixes.last(sessions).targets(np.arange(2)).tolist() == [5, 2]


def test_a_prefix_of_unseen_items_only_is_empty() -> None:
    items, lengths = Prefixes.last(Sessions.from_lists([[-1, -2, 5]])).gather(np.array([0]), 10)

    assert (items.tolist(), lengths.tolist()) == ([[0]], [0])


def test_a_prefix_never_reaches_into_the_session_before() -> None:
    sessions = Sessions.from_lists([[1, 2, 3], [-1, 4, 5]])
    prefixes = Prefixes.every(sessions)

    items, _ = prefixes.gather(np.arange(len(prefixes)), 50)

    assert items.tolist() == [[1, 0], [1, 2], [0, 0], [4, 0]]


def test_sessions_on_disk_are_those_in_memory(tmp_path: Path) -> None:
    kept = Sessions.from_lists([[1, 2], [3, -1, 2]])
    np.save(tmp_path / "items.npy", kept.items)
    np.save(tmp_path / "offsets.npy", kept.offsets)
    pq.write_table(pa.table({"session_id": ["x", "y"]}), tmp_path / "sessions.parquet")

    opened = Sessions.open(tmp_path)

    assert len(opened) == 2
    assert [opened[0].tolist(), opened[1].tolist()] == [[1, 2], [3, -1, 2]]
    assert opened.session_ids is not None
    assert opened.session_ids.to_pylist() == ["x", "y"]
    assert isinstance(opened.items, np.memmap)
    rows = np.arange(3)
    np.testing.assert_array_equal(
        Prefixes.every(opened).gather(rows, 9)[0], Prefixes.every(kept).gather(rows, 9)[0], strict=True
    )


def test_prefixes_copy_no_item() -> None:
    sessions = Sessions.from_lists([[1, 2, 3]])

    assert Prefixes.every(sessions).sessions.items is sessions.items


@pytest.mark.parametrize("lists", [[], [[]], [[1]], [[], [1], []]])
def test_no_prefix_at_all(lists: list[list[int]]) -> None:
    sessions = Sessions.from_lists(lists)

    assert len(Prefixes.every(sessions)) == len(Prefixes.last(sessions)) == 0


LISTS = [[1, 2], [3], [4, 5, 6], [], [7, 8]]
TYPES = [[1, 2], [2], [1, 1, 2], [], [1, 2]]


def sessions() -> Sessions:
    made = Sessions.from_lists(LISTS, TYPES)
    return Sessions(made.items, made.offsets, pa.chunked_array([["a", "b"], ["c", "d", "e"]]), made.event_types)


@pytest.mark.parametrize(("share", "count"), [(1.0, 5), (0.8, 4), (0.6, 3), (0.41, 2), (0.2, 1), (0.001, 1)])
def test_the_newest_are_the_last_ones(share, count) -> None:
    result = sessions().newest(share)

    assert [result[row].tolist() for row in range(len(result))] == LISTS[-count:]
    assert result.session_ids.to_pylist() == ["a", "b", "c", "d", "e"][-count:]
    assert result.event_types.tolist() == [code for session in TYPES[-count:] for code in session]


@pytest.mark.parametrize("last_only", [False, True])
def test_the_newest_have_the_same_targets(last_only) -> None:
    made = replace(sessions(), last_only=last_only)

    assert made.newest(0.4).last_only is last_only


def test_there_is_no_newest_of_none() -> None:
    assert len(Sessions.from_lists([]).newest(0.5)) == 0


@settings(deadline=None)
@given(SESSIONS, SESSIONS)
def test_two_random_parts_of_one_time_are_put_in_its_order(first: list[list[int]], other: list[list[int]]) -> None:
    """Session k of n is as far into its part as into the whole; of two as far, the first part's comes first."""
    types = [[[abs(item) for item in session] for session in part] for part in (first, other)]
    parts = [Sessions.from_lists(part, kinds) for part, kinds in zip((first, other), types, strict=True)]

    result = parts[0].among(parts[1])

    order = sorted(
        ((row + 0.5) / len(part), number, row) for number, part in enumerate((first, other)) for row in range(len(part))
    )
    expected = [(first, other)[number][row] for _, number, row in order]
    assert [result[row].tolist() for row in range(len(result))] == expected
    assert result.event_types is not None
    assert result.event_types.tolist() == [abs(item) for session in expected for item in session]
    assert result.offsets.dtype == np.int64
