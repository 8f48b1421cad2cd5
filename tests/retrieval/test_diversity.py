"""Lists that are chosen for their distance in the tree, against the formula written out item by item."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.retrieval.diversity import diversified, known_paths, mean_distance, pool_size, similarities
from hiersrec.retrieval.ranking import FullRanker, ListRequest
from hiersrec.store.batches import whole_sessions
from tests.retrieval.world import ITEMS, Waves, world
from tests.serving.world import catalog

EVERY = np.arange(1, 7, dtype=np.int32)


def similarity(one: list[int], other: list[int]) -> float:
    """2 * shared / (length + length), of paths in which 0 is unknown."""
    shared = sum(a == b and a > 0 for a, b in zip(one, other, strict=True))
    length = sum(a > 0 for a in one) + sum(b > 0 for b in other)
    return 2 * shared / length if length else 0.0


def twin(paths: list[list[int]], scores: list[float], k: int, diversity: float) -> list[int]:
    """The formula, with nothing remembered from one item to the next."""
    low, high = min(scores), max(scores)
    relevance = [(score - low) / (high - low) if high > low else 1.0 for score in scores]
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        gains = {
            item: (1 - diversity) * relevance[item]
            - diversity * max((similarity(paths[item], paths[other]) for other in chosen), default=0.0)
            for item in range(len(scores))
            if item not in chosen
        }
        chosen.append(min(gains, key=lambda item: (-gains[item], item)))
    return chosen


def test_paths_and_similarities_of_a_catalogue() -> None:
    # a, b: Geography, Africa; c, d: Nature, Animals; e: Nature, Plants; f: Nature and no deeper one
    paths = known_paths(catalog(), EVERY)

    assert paths.tolist() == [[1, 1, 2, 2, 2, 2], [1, 1, 2, 2, 3, 0]]
    assert similarities(paths, 0).tolist() == [1, 1, 0, 0, 0, 0]
    assert similarities(paths, 2).tolist() == [0, 0, 1, 1, 1 / 2, 2 / 3]
    assert similarities(paths, 5).tolist() == [0, 0, 2 / 3, 2 / 3, 2 / 3, 1]


def test_an_item_without_a_category_is_like_no_other_and_not_even_like_itself() -> None:
    assert similarities(np.array([[0, 0, 1], [0, 0, 2]], np.int32), 0).tolist() == [0, 0, 0]


def test_mean_distance_by_hand() -> None:
    paths = known_paths(catalog(), EVERY)

    assert mean_distance(paths[:, [0, 1]]) == 0
    assert mean_distance(paths[:, [0, 2]]) == 1
    assert mean_distance(paths[:, [2, 4, 5]]) == pytest.approx((1 / 2 + 1 / 3 + 1 / 3) / 3)
    assert mean_distance(paths[:, [2]]) == mean_distance(paths[:, []]) == 0


def test_a_list_by_hand() -> None:
    scores = np.array([5, 4, 3, 1], np.float32)  # of c, d, e, a: relevance 1, 3/4, 1/2, 0
    paths = known_paths(catalog(), np.array([3, 4, 5, 1], np.int32))

    assert diversified(paths, scores, 4, 0).tolist() == [0, 1, 2, 3]
    assert diversified(paths, scores, 4, 0.4).tolist() == [0, 2, 1, 3], "3/10 - 2/10, against 9/20 - 4/10 and 0 - 0"
    assert diversified(paths, scores, 3, 0.5).tolist() == [0, 2, 3], "0 each: the better one; then 0, against -1/8"
    assert diversified(paths, scores, 2, 1).tolist() == [0, 3]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 15),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]),
)
def test_it_is_the_formula(seed, size, k, levels, diversity) -> None:
    random = np.random.default_rng(seed)
    paths = random.integers(0, 3, (levels, size)).astype(np.int32)
    scores = -np.sort(-random.integers(0, 9, size)).astype(np.float32)

    found = diversified(paths, scores, k, diversity).tolist()

    assert found == twin(paths.T.tolist(), scores.tolist(), k, diversity)


def test_lists_get_further_apart_and_less_relevant_with_more_diversity() -> None:
    batch = whole_sessions([[item, 3 * item % ITEMS + 1] for item in range(1, 31)], 3)
    distances, relevances = [], []
    for diversity in (0.0, 0.1, 0.3, 0.6, 0.9):
        total, score = 0.0, 0.0
        for seed in range(5):
            known = world(seed)
            ranked = FullRanker(Waves(), known).rank(batch, ListRequest(k=8, diversity=diversity))
            total += sum(mean_distance(known_paths(known, items)) for items in ranked.items)
            score += sum(float(values.sum()) for values in ranked.scores)
        distances.append(total)
        relevances.append(score)

    assert distances == sorted(distances)
    assert distances[0] < distances[2] < distances[-1]
    assert relevances == sorted(relevances, reverse=True)


def test_a_list_is_chosen_from_a_pool_that_holds_a_cap_and_longer_lists_begin_with_shorter_ones() -> None:
    known, batch = world(1), whole_sessions([[1, 2], [3], []], 3)
    ranker = FullRanker(Waves(), known)
    nodes = known.item_nodes[:, -1]
    for diversity in (0.3, 0.8):
        capped = ranker.rank(batch, ListRequest(k=6, diversity=diversity, per_category=1))
        short = ranker.rank(batch, ListRequest(k=4, diversity=diversity))
        long = ranker.rank(batch, ListRequest(k=9, diversity=diversity))
        for row in range(3):
            assert len(set(nodes[capped.items[row]])) == len(capped.items[row])
            assert long.items[row][:4].tolist() == short.items[row].tolist()
    assert [pool_size(k) for k in (1, 20, 21, 1_000)] == [100, 100, 105, 5_000]
