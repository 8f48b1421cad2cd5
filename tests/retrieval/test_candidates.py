from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.errors import DEFAULT_RECIPE, BadInput
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import NEVER, Candidates, admits, inside
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.types import Batch, Float32
from tests.retrieval.world import ITEMS, KNOWN, Waves, predicted, world


def slow(catalog: Catalog, categories: dict[int, Float32], row: int, top: int) -> set[int]:
    """The paper's union, with Python sets."""
    members: set[int] = set()
    reachable: set[int] = set()
    for level, scores in categories.items():
        order = sorted(range(1, KNOWN[level - 1] + 1), key=lambda node, line=scores[row]: (-line[node], node))
        for item, node in enumerate(catalog.item_nodes[1:, level - 1].tolist(), start=1):
            members |= {item} if node in order[:top] else set()
            reachable |= {item} if node in order else set()
    return members | (set(range(1, catalog.num_items + 1)) - reachable)


def sets(kept: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(line).tolist()) for line in kept]


def sessions_of(number: int) -> Batch:
    return whole_sessions([[1 + row, 2 + row % 3] for row in range(number)], 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(1, 2, 3), (1,), (2, 3), (3, 1)]))
def test_union_of_the_best_categories_against_sets_for_every_top(seed, levels) -> None:
    catalog, categories = world(seed), predicted(seed, 4, levels)
    least = admits(catalog, categories)

    assert least.dtype == np.int32
    for top in range(1, max(KNOWN) + 2):
        kept = inside(Candidates(policy="category", top=top), least, sessions_of(4))
        assert sets(kept) == [slow(catalog, categories, row, top) for row in range(4)]


def test_more_categories_never_lose_an_item_and_all_of_them_give_all() -> None:
    least = admits(world(3), predicted(3, 6))
    kept = [inside(Candidates(policy="category", top=top), least, sessions_of(6)) for top in (1, 2, 3, 4, 5, NEVER)]

    assert all(more[fewer].all() for fewer, more in pairwise(kept))
    assert kept[0].sum() < kept[1].sum() < kept[4].sum()
    assert all(line == set(range(1, ITEMS + 1)) for several in kept[4:] for line in sets(several))


def test_items_of_unknown_category_are_reached_by_the_stated_rule() -> None:
    catalog = world(5)
    every, second, third = (admits(catalog, predicted(5, 3, levels)) for levels in ((1, 2, 3), (2,), (3,)))

    assert (every[:, 1] == 0).all()  # known nowhere: always there
    assert (every[:, ITEMS] == second[:, ITEMS]).all()  # known at level 2 only: reached through that level
    assert (every[:, ITEMS] > 0).all()
    assert (third[:, ITEMS] == 0).all()  # known at no level that is predicted
    assert (every[:, 0] == NEVER).all()


def test_random_has_the_size_of_category_and_is_no_copy_of_it() -> None:
    least = admits(world(7), predicted(7, 30))
    by_category, drawn = (
        inside(Candidates(policy=policy, top=2), least, sessions_of(30)) for policy in ("category", "random")
    )

    assert (drawn.sum(axis=1) == by_category.sum(axis=1)).all()
    assert not drawn[:, 0].any()
    assert (drawn != by_category).any(axis=1).all()


def test_random_follows_from_the_session_and_the_seed_only() -> None:
    least, batch = admits(world(7), predicted(7, 12)), sessions_of(12)
    chosen = Candidates(policy="random", top=2)
    together = inside(chosen, least, batch)
    backwards = inside(chosen, least[::-1], Batch(batch.items[::-1], batch.lengths[::-1]))[::-1]
    one_by_one = [inside(chosen, least[[row]], whole_sessions([[1 + row, 2 + row % 3]], 9))[0] for row in range(12)]

    assert (together == backwards).all()
    assert (together == one_by_one).all()
    assert (together != inside(Candidates(policy="random", top=2, seed=1), least, batch)).any(axis=1).all()
    same_size = np.tile(least[:1], (12, 1))
    assert len({tuple(line) for line in inside(chosen, same_size, batch).tolist()}) == 12


def test_random_favours_no_item() -> None:
    least = np.full((2000, ITEMS + 1), NEVER, np.int32)
    least[:, 1:11] = 1
    drawn = inside(Candidates(policy="random", top=1), least, whole_sessions([[n] for n in range(1, 2001)], 1))

    assert (drawn.sum(axis=1) == 10).all()
    np.testing.assert_allclose(drawn[:, 1:].mean(axis=0), 1 / 4, atol=0.04)  # four standard deviations


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "categry", "top": 1}, "no candidates 'categry'. Did you mean 'category'?"),
        ({"top": 3}, "top is for candidates by category or random, got 3 with all"),
        ({"policy": "category"}, "'category' need one of top, the number of best categories of each level"),
        ({"policy": "random"}, "'random' need one of top"),
        ({"policy": "category", "top": 0}, "top must be at least 1, got 0"),
        ({"policy": "category", "top": 1, "seed": 2}, r"seed .* is for random candidates, got 2 \(category\)"),
        ({"policy": "random", "top": 1, "seed": -1}, "seed must be at least 0 .* got -1"),
    ],
)
def test_impossible_candidates_are_refused(wrong, message) -> None:
    with pytest.raises(BadInput, match=message):
        Candidates(**wrong)


def test_on_the_one_path_everything_else_gets_minus_infinity() -> None:
    catalog, batch = world(9), whole_sessions([[1, 2], [], [5, 6, 7, 8]], 9)
    every = score(Waves(), catalog, batch)
    for chosen in (Candidates(policy="category", top=2), Candidates(policy="random", top=2)):
        found = score(Waves(), catalog, batch, candidates=chosen)
        newest = whole_sessions([[1, 2], [], [6, 7, 8]], 9)  # what the scorer sees
        kept = inside(chosen, admits(catalog, every.categories), newest)

        assert (found.items == np.where(kept, every.items, -np.inf)).all()
        assert 0 < kept.sum() < kept[:, 1:].size
        assert all((found.categories[level] == every.categories[level]).all() for level in (1, 2, 3))
        unseen = score(Waves(), catalog, batch, exclude_seen=True, candidates=chosen).items
        kept[[0, 0, 2, 2, 2, 2], [1, 2, 5, 6, 7, 8]] = False
        assert (unseen == np.where(kept, every.items, -np.inf)).all()
    widest = score(Waves(), catalog, batch, candidates=Candidates(policy="category", top=99))
    assert (widest.items == every.items).all()


def test_a_scorer_without_categories_names_a_recipe_that_has_some() -> None:
    message = rf"come from predicted categories, and this run predicts none.* such as {DEFAULT_RECIPE}, on items"
    with pytest.raises(BadInput, match=message):
        score(Waves(levels=()), world(9), whole_sessions([[1]], 5), candidates=Candidates(policy="category", top=1))

    assert "category" in [task.name for task in read_recipe(find_recipe(DEFAULT_RECIPE, "any_dataset")).tasks]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_a_share_takes_the_largest_top_that_stays_within_it(seed, share) -> None:
    least = admits(world(seed), predicted(seed, 5))
    kept = inside(Candidates(policy="category", share=share), least, sessions_of(5))

    for row in range(5):
        fits = [
            items
            for top in range(1, max(KNOWN) + 1)
            if len(items := sets(inside(Candidates(policy="category", top=top), least, sessions_of(5)))[row])
            <= share * ITEMS
        ]
        smallest = sets(inside(Candidates(policy="category", top=1), least, sessions_of(5)))[row]
        assert sets(kept)[row] == (fits[-1] if fits else smallest)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"policy": "category", "top": 1, "share": 0.1}, "got top and share"),
        ({"policy": "category"}, "got none"),
        ({"share": 0.1}, "share is for candidates by category or random, got 0.1 with all"),
        ({"policy": "category", "share": 0.0}, "above 0 and at most 1, got 0.0"),
    ],
)
def test_share_or_top(chosen, message) -> None:
    with pytest.raises(BadInput, match=message):
        Candidates(**chosen)
