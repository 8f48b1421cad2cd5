"""What stood near an item in training sessions, against counting it by hand."""

import itertools
import math

import numpy as np
import pytest

from hiersrec.model.neighbours import WINDOW, nearest
from hiersrec.store.sessions import Sessions

N = 9


def random_sessions(seed: int = 0) -> list[list[int]]:
    """Short sessions with items that come twice, one of them alone; item 9 never comes."""
    random = np.random.default_rng(seed)
    return [[3], *(random.integers(1, N, random.integers(1, 8)).tolist() for _ in range(25))]


def by_hand(sessions: list[list[int]], most: int) -> dict[int, dict[int, float]]:
    """Item -> its neighbours and their shares."""
    near: dict[tuple[int, int], float] = {}
    for session in sessions:
        for (a, i), (b, j) in itertools.permutations(enumerate(session), 2):
            if i != j and abs(a - b) <= WINDOW:
                near[i, j] = near.get((i, j), 0) + 1 / abs(a - b)
    total = {i: sum(value for (_, j), value in near.items() if j == i) for i in range(1, N + 1)}
    found = {}
    for i in range(1, N + 1):
        weights = {j: value / math.sqrt(total[j]) for (k, j), value in near.items() if k == i}
        # Equal weights may differ in their last digits.
        best = sorted(weights, key=lambda j: (-round(weights[j], 12), j))[:most]
        found[i] = {j: weights[j] / sum(weights[k] for k in best) for j in best}
    return found


@pytest.mark.parametrize("most", [1, 2, 3, 20])
@pytest.mark.parametrize("seed", range(3))
def test_neighbours_are_those_counted_by_hand(seed, most) -> None:
    sessions = random_sessions(seed)

    edges, shares = nearest(N, Sessions.from_lists(sessions), most)

    found = {i: {} for i in range(1, N + 1)}
    for (i, j), share in zip(edges.T.tolist(), shares.tolist(), strict=True):
        found[i][j] = share
    expected = by_hand(sessions, most)
    assert {i: set(of) for i, of in found.items()} == {i: set(of) for i, of in expected.items()}
    for i, of in expected.items():
        assert found[i] == pytest.approx(of, rel=1e-6)


def test_shares_sum_to_one_and_nobody_is_their_own_neighbour() -> None:
    edges, shares = nearest(N, Sessions.from_lists(random_sessions()), 3)

    assert (edges[0] != edges[1]).all()
    counts = np.bincount(edges[0], minlength=N + 1)
    assert counts.max() == 3
    assert counts[0] == counts[9] == 0, "padding and an item that never came"
    np.testing.assert_allclose(np.bincount(edges[0], shares)[1:9], 1, rtol=1e-6)


def test_sessions_have_nothing_to_do_with_one_another() -> None:
    edges, _ = nearest(4, Sessions.from_lists([[1, 2], [3, 4]]), 5)

    assert sorted(map(tuple, edges.T.tolist())) == [(1, 2), (2, 1), (3, 4), (4, 3)]


def test_of_equally_near_items_the_lower_numbers_are_taken() -> None:
    edges, shares = nearest(5, Sessions.from_lists([[1, 5], [1, 4], [1, 3], [1, 2]]), 2)

    assert [edge for edge in edges.T.tolist() if edge[0] == 1] == [[1, 2], [1, 3]]
    assert shares[edges[0] == 1].tolist() == [0.5, 0.5]


def test_the_same_sessions_give_the_same_edges() -> None:
    first, second = (nearest(N, Sessions.from_lists(random_sessions()), 2) for _ in range(2))

    assert [one.tobytes() for one in first] == [one.tobytes() for one in second]
    assert [one.dtype for one in first] == [np.int32, np.float32]


def test_sessions_of_one_item_have_no_edges() -> None:
    edges, shares = nearest(3, Sessions.from_lists([[1], [2]]), 2)

    assert (edges.shape, shares.shape) == ((2, 0), (0,))
