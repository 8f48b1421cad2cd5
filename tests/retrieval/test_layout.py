import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.retrieval import layout as module
from hiersrec.retrieval.candidates import Candidates, admits, inside
from hiersrec.retrieval.layout import Layout, merged
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from tests.retrieval.world import ITEMS, KNOWN, predicted, world
from tests.toy import toy

SESSION = whole_sessions([[1]], 5)


def layout_of(catalog: Catalog) -> Layout:
    return Layout.of(catalog.item_nodes, [level.num_known for level in catalog.levels], catalog.train_count)


def tree(seed: int) -> Catalog:
    """The world's items under a real tree: node n of a level lies under one node of the level above."""
    catalog, random = world(seed), np.random.default_rng(seed)
    items = catalog.items
    nodes = random.integers(1, KNOWN[2] + 4, ITEMS)
    for level in (3, 2, 1):
        items = items.set_column(items.column_names.index(f"node_{level}"), f"node_{level}", [nodes])
        nodes = (nodes + 1) // 2
    return Catalog(items, catalog.levels, [])


def members(layout: Layout, ranges: np.ndarray) -> set[int]:
    return {int(item) for start, stop in ranges for item in layout.order[start:stop]}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(1, 2, 3), (1,), (2, 3), (3, 1)]), st.sampled_from([world, tree]))
def test_candidates_are_those_of_the_paper_for_every_top_and_share(seed, levels, make) -> None:
    catalog, categories = make(seed), predicted(seed, 1, levels)
    layout, least = layout_of(catalog), admits(catalog, categories)
    line = {level: scores[0] for level, scores in categories.items()}

    for top in range(1, max(KNOWN) + 2):
        found = layout.of_top(line, top)
        expected = inside(Candidates(policy="category", top=top), least, SESSION)[0]
        assert members(layout, found) == set(np.flatnonzero(expected).tolist())
        assert (found[:, 0] < found[:, 1]).all()
        assert (found[1:, 0] > found[:-1, 1]).all()
    for share in (0.01, 0.2, 0.35, 0.5, 0.8, 1.0):
        expected = inside(Candidates(policy="category", share=share), least, SESSION)[0]
        assert members(layout, layout.of_share(line, share)) == set(np.flatnonzero(expected).tolist())


def test_a_share_that_needs_more_categories_than_were_looked_at(monkeypatch) -> None:
    layout = layout_of(world(6))
    line = {level: scores[0] for level, scores in predicted(6, 1).items()}
    expected = [layout.of_share(line, share).tolist() for share in (0.05, 0.5, 0.7, 0.9, 1.0)]
    monkeypatch.setattr(module, "LOOKED_AT", 1)

    assert [layout.of_share(line, share).tolist() for share in (0.05, 0.5, 0.7, 0.9, 1.0)] == expected


def test_a_category_scored_minus_infinity_comes_last_but_comes() -> None:
    catalog = world(4)
    scores = np.array([-np.inf, -np.inf, 1, -np.inf], np.float32)
    for top in (1, 2, 3):
        expected = admits(catalog, {1: scores[None]})[0] <= top
        found = members(layout_of(catalog), layout_of(catalog).of_top({1: scores}, top))
        assert found == set(np.flatnonzero(expected).tolist())


def test_items_lie_by_path_then_popularity_then_number() -> None:
    catalog = world(3)
    layout = layout_of(catalog)
    rows = [(*catalog.item_nodes[item], -catalog.train_count[item], item) for item in range(1, ITEMS + 1)]

    assert layout.order.tolist() == [row[-1] for row in sorted(rows)]
    assert layout.row_of[layout.order].tolist() == list(range(ITEMS))
    assert layout.row_of[0] == -1
    assert (layout.order.dtype, layout.row_of.dtype) == (np.int32, np.int32)


def test_in_a_tree_every_node_is_one_range() -> None:
    layout = layout_of(toy().data.catalog)
    for level, runs in enumerate(layout.runs, start=1):
        nodes = np.arange(1, layout.num_known[level - 1] + 1)
        assert len(layout.node_ranges(level, nodes)) == len(nodes) <= len(runs)


def test_ranges_come_node_after_node() -> None:
    catalog = world(8)
    layout = layout_of(catalog)
    found = layout.node_ranges(3, np.array([4, 2], np.int32))
    nodes = [int(catalog.item_nodes[layout.order[start], 2]) for start, _ in found]

    assert nodes == sorted(nodes, reverse=True)
    assert members(layout, found) == set(np.flatnonzero(np.isin(catalog.item_nodes[:, 2], [4, 2])).tolist())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=12))
def test_merged_ranges_against_sets(pairs) -> None:
    ranges = np.array([(start, start + size) for start, size in pairs], np.int64).reshape(-1, 2)
    found = merged(ranges)

    assert [row for start, stop in found for row in range(start, stop)] == sorted(
        {row for start, stop in ranges for row in range(start, stop)}
    )
    assert (found[1:, 0] > found[:-1, 1]).all()


@pytest.mark.parametrize("make", [world, tree])
def test_a_saved_layout_opens_as_it_was(make, tmp_path) -> None:
    layout = layout_of(make(1))
    layout.save(tmp_path / "layout")
    found = Layout.open(tmp_path / "layout")

    assert (found.order == layout.order).all()
    assert (found.row_of == layout.row_of).all()
    line = {level: scores[0] for level, scores in predicted(1, 1).items()}
    assert found.of_top(line, 2).tolist() == layout.of_top(line, 2).tolist()
    assert not found.order.flags.writeable


def test_a_level_without_a_known_category_and_categories_without_items() -> None:
    nodes = np.array([[0, 0], [1, 2], [1, 2], [1, 4], [1, 5]], np.int32)  # of level 2, only 2 and 4 hold an item
    layout = Layout.of(nodes, [0, 4], np.arange(5))
    two = {1: np.array([-np.inf], np.float32), 2: np.array([-np.inf, 3, 2, 1, 0], np.float32)}

    assert [layout.of_top(two, top).tolist() for top in (1, 2, 4)] == [[[3, 4]], [[0, 2], [3, 4]], [[0, 4]]]
    assert layout.of_share({1: two[1]}, 0.5).tolist() == [[0, 4]]  # no category lets an item in, so all are in
    assert layout.node_ranges(2, np.array([1, 3])).tolist() == []


def test_without_levels_items_lie_by_popularity() -> None:
    layout = Layout.of(np.zeros((4, 0), np.int32), [], np.array([0, 2, 7, 2]))

    assert layout.order.tolist() == [2, 1, 3]
    assert layout.everything.tolist() == [[0, 3]]
