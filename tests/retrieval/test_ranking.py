from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.order import top_k
from hiersrec.retrieval.ranking import FullRanker, ListRequest, best_of_request, earlier_equals, finest_nodes
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import whole_sessions
from tests.serving.world import Explained, Sum, catalog


@given(st.lists(st.integers(0, 4), max_size=30))
def test_equal_values_before_each_are_counted(values) -> None:
    expected = [values[:position].count(value) for position, value in enumerate(values)]
    assert earlier_equals(np.array(values, np.int32)).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 4))
def test_no_category_has_more_than_its_share_of_the_list(seed, k, most) -> None:
    random = np.random.default_rng(seed)
    nodes = random.integers(0, 5, 41).astype(np.int32)
    order = (random.permutation(40) + 1).astype(np.int32)

    def best(size: int):
        return order[:size], -np.arange(40, dtype=np.float32)[:size]

    catalogue = SimpleNamespace(num_items=40, item_nodes=nodes[:, None])
    items, scores = best_of_request(best, catalogue, ListRequest(k=k, per_category=most))

    expected: list[int] = []
    for item in order.tolist():
        if sum(nodes[earlier] == nodes[item] for earlier in expected) < most:
            expected.append(item)
    assert items.tolist() == expected[:k]
    assert scores.tolist() == [-order.tolist().index(item) for item in expected[:k]]


def test_lists_are_those_of_the_one_order_without_what_may_not_be_listed() -> None:
    known, batch = catalog(), whole_sessions([[1, 2], [3], [], [5, 6, 1, 2]], 9)
    ranker = FullRanker(Explained(), known)
    for candidates in (ALL, Candidates(policy="category", top=1)):
        for only, never, seen in (([1, 3, 4], [4], False), (None, None, True), (None, [2, 6], True)):
            request = ListRequest(
                k=4,
                candidates=candidates,
                exclude_seen=seen,
                only=None if only is None else np.array(only, np.int32),
                never=None if never is None else np.array(never, np.int32),
            )
            found = ranker.rank(batch, request)
            scores = score(Explained(), known, batch, seen, candidates).items
            for item in range(1, 7):
                if (only is not None and item not in only) or (never is not None and item in never):
                    scores[:, item] = -np.inf
            items, values = top_k(scores, 4)
            for row in range(4):
                listed = items[row] > 0
                assert found.items[row].tolist() == items[row][listed].tolist()
                assert found.scores[row].tolist() == values[row][listed].tolist()
                assert found.ranked[row] == np.isfinite(scores[row]).sum()
    assert ranker.explains
    assert not FullRanker(Sum(), known).explains


def test_offsets_are_added_to_scores_and_not_to_counts_or_to_what_may_not_be_listed() -> None:
    known, batch = catalog(), whole_sessions([[1, 2], [], [4]], 9)
    offsets = np.array([0, 0, -3, 0.5, 0, 100, 0], np.float32)
    for candidates in (ALL, Candidates(policy="category", top=1)):
        request = ListRequest(k=6, candidates=candidates, never=np.array([4], np.int32), offsets=offsets)
        found = FullRanker(Explained(), known).rank(batch, request)
        scores = score(Explained(), known, batch, candidates=candidates).items
        for row, has_items in enumerate((True, False, True)):
            expected = {
                item: np.float32(scores[row, item] + has_items * offsets[item])
                for item in (1, 2, 3, 5, 6)
                if scores[row, item] > -np.inf
            }
            best_first = sorted(expected, key=lambda item: (-expected[item], item))
            assert found.items[row].tolist() == best_first
            assert found.scores[row].tolist() == [expected[item] for item in best_first]


def test_finest_nodes_of_a_catalogue() -> None:
    assert finest_nodes(catalog()).tolist() == [0, 1, 1, 2, 2, 3, 4]
