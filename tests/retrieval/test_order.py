import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.retrieval.order import Ranks, ranks, top_k

NONE = -np.inf


def slow_order(line: np.ndarray) -> list[int]:
    """Numbers of a row in the one order, written as plainly as can be."""
    return sorted((item for item in range(len(line)) if line[item] > NONE), key=lambda item: (-line[item], item))


def table(seed: int, rows: int, columns: int, values: int) -> np.ndarray:
    """Random scores with many ties; column 0 and some others are minus infinity."""
    random = np.random.default_rng(seed)
    scores = random.integers(-values, values, (rows, columns)).astype(np.float32) / 2
    scores[random.random(scores.shape) < 0.1] = NONE
    scores[:, 0] = NONE
    return scores


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 300), st.sampled_from([1, 3, 100]), st.integers(1, 30))
def test_lists_and_ranks_keep_the_one_order(seed, rows, columns, values, k) -> None:
    scores = table(seed, rows, columns, values)
    targets = np.random.default_rng(seed + 1).integers(-2, columns, rows).astype(np.int32)

    items, best = top_k(scores, k)
    found = ranks(scores, targets)

    assert items.dtype == np.int32
    assert best.dtype == np.float32
    assert items.shape == best.shape == (rows, min(k, columns - 1))
    for row, line in enumerate(scores):
        order = slow_order(line)
        listed = order[: items.shape[1]]
        assert items[row].tolist() == listed + [0] * (items.shape[1] - len(listed))
        assert best[row].tolist() == [line[item] for item in listed] + [NONE] * (items.shape[1] - len(listed))
        target = targets[row]
        has_rank = target > 0 and line[target] > NONE
        expected = (
            (order.index(target) + 1, 1 + sum(line > line[target]), sum(line >= line[target]))
            if has_rank
            else (0, 0, 0)
        )
        assert (found.exact[row], found.optimistic[row], found.pessimistic[row]) == expected


@pytest.mark.parametrize("columns", [43, 64, 65, 1000, 5000])
def test_lists_of_wide_rows(columns) -> None:
    for values in (1, 40, 10**6):
        scores = table(columns, 20, columns, values)
        items, _ = top_k(scores, 20)
        assert items.tolist() == [slow_order(line)[:20] for line in scores]


def test_rank_is_the_position_on_the_list() -> None:
    scores = table(5, 60, 50, 5)
    items, _ = top_k(scores, 49)
    for position in range(20):
        assert (ranks(scores, items[:, position]).exact == position + 1).all()


def test_order_of_rows_and_neighbours_changes_nothing() -> None:
    scores = table(6, 70, 90, 4)
    targets = np.arange(70, dtype=np.int32)
    shuffled = np.random.default_rng(0).permutation(70)

    assert top_k(scores, 7)[0][shuffled].tolist() == top_k(scores[shuffled], 7)[0].tolist()
    assert ranks(scores, targets).exact[shuffled].tolist() == ranks(scores[shuffled], targets[shuffled]).exact.tolist()


def test_minus_zero_ties_with_zero() -> None:
    scores = np.array([[NONE, 0.0, -0.0, 0.0]], np.float32)
    assert top_k(scores, 3)[0].tolist() == [[1, 2, 3]]
    assert ranks(scores, np.array([2], np.int32)) == Ranks(2, 1, 3)


def test_scores_that_differ_in_the_last_bit_do_not_tie() -> None:
    one = np.float32(1)
    scores = np.array([[NONE, one, np.nextafter(one, np.float32(2))]], np.float32)
    assert top_k(scores, 1)[0].tolist() == [[2]]


def test_half_precision_is_refused() -> None:
    with pytest.raises(AssertionError):
        top_k(np.zeros((1, 3), np.float16), 1)
    with pytest.raises(AssertionError):
        ranks(np.zeros((1, 3), np.float64), np.array([1], np.int32))


def test_nothing_to_list_is_an_empty_list() -> None:
    assert top_k(np.full((3, 1), NONE, np.float32), 20)[0].shape == (3, 0)
    assert top_k(np.full((1, 4), NONE, np.float32), 2)[0].tolist() == [[0, 0]]
