from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.retrieval import search
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.order import top_k
from hiersrec.retrieval.search import RangeScores, best, best_again, first, near, within
from hiersrec.retrieval.session_scores import NOTHING
from hiersrec.retrieval.slabs import Slabs

SIZE = 300


def layout(seed: int, size: int = SIZE) -> Layout:
    """A random order of the items, without categories."""
    random = np.random.default_rng(seed)
    order = (random.permutation(size) + 1).astype(np.int32)
    row_of = np.full(size + 1, -1, np.int32)
    row_of[order] = np.arange(size)
    return Layout(order, row_of, np.zeros(0, np.int64), [], [])


def random_ranges(random: np.random.Generator, size: int = SIZE) -> np.ndarray:
    edges = np.sort(random.choice(size + 1, 2 * int(random.integers(0, 6)), replace=False))
    return edges.reshape(-1, 2).astype(np.int64)


def rows_of(ranges: np.ndarray) -> list[int]:
    return [row for start, stop in ranges.tolist() for row in range(start, stop)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1, 3, 100]))
def test_the_best_are_those_of_the_one_order(seed, k, values) -> None:
    random, made = np.random.default_rng(seed), layout(seed)
    ranges = random_ranges(random)
    listed = rows_of(ranges)
    scored = RangeScores(random.integers(0, values, len(listed)).astype(np.float32), ranges)
    gone, kept = (random.choice(SIZE, random.integers(0, SIZE), replace=False).astype(np.int32) for _ in range(2))
    dense = np.full((1, SIZE + 1), -np.inf, np.float32)
    dense[0, made.order[listed]] = scored.scores
    scored.remove(gone)
    dense[0, made.order[gone]] = -np.inf
    if seed % 2:
        scored.keep(kept)
        dense[0, np.setdiff1d(np.arange(SIZE + 1), made.order[kept])] = -np.inf
    items, scores = best(scored, made, k)

    expected, their_scores = top_k(dense, k)
    assert items.tolist() == expected[expected > 0].tolist()
    assert scores.tolist() == their_scores[expected > 0].tolist()
    assert scored.count == np.count_nonzero(dense > -np.inf)
    assert (items.dtype, scores.dtype) == (np.int32, np.float32)


def test_rows_of_positions_and_nothing_outside_is_removed() -> None:
    scored = RangeScores(np.arange(7, dtype=np.float32), np.array([[2, 5], [10, 14]]))

    assert scored.rows(np.arange(7)).tolist() == [2, 3, 4, 10, 11, 12, 13]
    scored.remove(np.array([13, -1, 0, 5, 9, 14, 3, 99], np.int32))
    assert np.flatnonzero(scored.scores == -np.inf).tolist() == [1, 6]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 30, 3 * search.MANY]), st.sampled_from([1, 4, 1000]))
def test_first_against_sorted(seed, size, values) -> None:
    random = np.random.default_rng(seed)
    items = (random.permutation(2 * size)[:size] + 1).astype(np.int32)
    scores = random.integers(0, values, size).astype(np.float32)
    pairs = list(zip(items.tolist(), scores.tolist(), strict=True))
    for k in (1, 4, 30):
        found = first(items, scores, k)
        expected = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
        assert list(zip(*(array.tolist() for array in found), strict=True)) == expected


def test_scores_from_int8_slabs_are_float32_scores() -> None:
    random, made = np.random.default_rng(3), layout(3, 4000)
    slabs = Slabs.of(random.standard_normal((4000, 32), np.float32), random.standard_normal(4000, np.float32), "int8")
    query, every = random.standard_normal(32, np.float32), np.array([[0, 4000]])
    [line] = slabs.scan(query[None], [every])
    items, scores = best_again(RangeScores(line, every), made, 20, slabs, query, NOTHING)

    exact = slabs.exact(query, np.arange(4000, dtype=np.int32))
    expected = best(RangeScores(exact, every), made, 20)
    assert items.tolist() == expected[0].tolist()
    assert scores.tolist() == slabs.exact(query, made.row_of[items]).tolist()
    np.testing.assert_allclose(scores, expected[1], rtol=1e-5)


def test_of_many_equal_scores_the_smallest_numbers_are_scored_again(monkeypatch) -> None:
    made, sizes = layout(5, 4000), []
    slabs = Slabs.of(np.ones((4000, 8), np.float32), None, "int8")
    exact = Slabs.exact
    monkeypatch.setattr(Slabs, "exact", lambda *args: sizes.append(len(args[2])) or exact(*args))
    [line] = slabs.scan(np.ones((1, 8), np.float32), [np.array([[0, 4000]])])
    items, scores = best_again(
        RangeScores(line, np.array([[0, 4000]])), made, 20, slabs, np.ones(8, np.float32), NOTHING
    )

    assert items.tolist() == list(range(1, 21))
    assert scores.tolist() == [8] * 20
    assert sizes == [search.LEAST]


@given(st.sets(st.integers(0, SIZE - 1)))
def test_ranges_near_rows_hold_them_and_no_wide_gap(chosen) -> None:
    ranges = near(np.array(sorted(chosen), np.int32))
    held = rows_of(ranges)

    assert chosen <= set(held)
    assert {start for start, _ in ranges.tolist()} | {stop - 1 for _, stop in ranges.tolist()} <= chosen
    assert all(stop + search.GAP < start for (_, stop), (start, _) in pairwise(ranges))
    assert all(len(set(range(row, row + search.GAP + 1)) & chosen) for row in held)


@given(st.integers(0, 10**6))
def test_rows_within_ranges(seed) -> None:
    random = np.random.default_rng(seed)
    ranges, some = random_ranges(random), np.sort(random.choice(SIZE, 50, replace=False)).astype(np.int32)

    assert within(some, ranges).tolist() == [row for row in some.tolist() if row in rows_of(ranges)]
