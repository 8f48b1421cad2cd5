import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.preparation import tree
from hiersrec.store.item_catalog import Level
from hiersrec.store.paths import (
    is_only_end,
    level_scores,
    likeliest_paths,
    names_of_paths,
    node_probs,
    node_scores,
    nodes_of_paths,
    path_labels,
    path_probs,
)
from hiersrec.testing.catalogue import catalog

NAMES = st.sampled_from(["a", "b", "c", None])
PATHS = st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=25)


def levels_of(paths: list[tuple[str | None, ...]]) -> tuple[list[Level], np.ndarray]:
    """The levels of a tree of these paths, and the nodes of the items (N + 1, L)."""
    built = tree.build(paths)
    levels = []
    for level, known in enumerate(built.known(), start=1):
        rows = built.table.filter(np.equal(built.table["level"].to_numpy(), level)).sort_by("node")
        parents = np.array([0, *rows["parent"].to_pylist()], np.int32)
        levels.append(Level(known, [None, *rows["name"].to_pylist()], parents))
    return levels, np.concatenate([np.zeros((1, len(levels)), np.int32), built.item_nodes])


def logits(levels: list[Level], sessions: int, seed: int) -> np.ndarray:
    """Random logits of the paths, some equal and some far below the others."""
    random = np.random.default_rng(seed)
    values = (random.integers(-3, 4, (sessions, levels[-1].num_nodes + 1)) * random.choice([1, 20])).astype(np.float32)
    values[:, 0] = -np.inf
    return values


@settings(max_examples=60)
@given(PATHS, st.integers(0, 10**6))
def test_every_level_adds_up_whatever_the_tree(paths, seed) -> None:
    levels, item_nodes = levels_of(paths)
    scores = logits(levels, 3, seed)
    probs = path_probs(scores)
    by_level = node_probs(levels, probs)

    exact = np.exp(scores[:, 1:].astype(np.float64))
    np.testing.assert_allclose(probs[:, 1:], exact / exact.sum(axis=1, keepdims=True))
    for level, of_level in enumerate(by_level):
        expected = np.zeros_like(of_level)  # a twin: each item's path adds to the node it goes through, once
        for path in {tuple(nodes) for nodes in item_nodes[1:].tolist()}:
            expected[:, path[level]] += probs[:, path[-1]]
        np.testing.assert_allclose(of_level, expected, atol=1e-15)
        np.testing.assert_allclose(of_level.sum(axis=1), 1)
        if level:
            parents = levels[level].parents
            assert (of_level[:, 1:] <= by_level[level - 1][:, parents[1:]]).all(), "a child is likelier than its parent"


@settings(max_examples=30)
@given(PATHS, st.integers(0, 10**6))
def test_scores_of_levels_are_the_logarithms(paths, seed) -> None:
    levels, _ = levels_of(paths)
    scores = logits(levels, 2, seed)

    every, known = node_scores(levels, scores), level_scores(levels, scores)
    for number, (level, probs) in enumerate(zip(levels, node_probs(levels, path_probs(scores)), strict=True), start=1):
        task = f"category_{number}"
        np.testing.assert_allclose(np.exp(every[task][:, 1:]), probs[:, 1:], rtol=1e-5, atol=1e-30)
        assert (every[task][:, 0] == -np.inf).all()
        assert (task in known) == (level.num_known > 0)
        if level.num_known:
            assert (known[task] == every[task][:, : level.num_known + 1]).all()
            assert known[task].dtype == np.float32


@settings(max_examples=60)
@given(PATHS, st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
def test_likeliest_paths_one_after_another(paths, seed, mass) -> None:
    levels, _ = levels_of(paths)
    probs = path_probs(logits(levels, 3, seed))

    chosen = likeliest_paths(probs, mass)

    assert not chosen[:, 0].any()
    for row, line in enumerate(probs):
        held, expected = 0.0, set()
        for path in sorted(range(1, len(line)), key=lambda path, line=line: (-line[path], path)):
            if held < mass or mass == 1:
                expected.add(path)
            held += line[path]
        if mass not in (0.2, 0.5, 0.9) or abs(held - 1) < 1e-9:
            assert len(set(np.flatnonzero(chosen[row]).tolist()) ^ expected) <= 1  # a sum may be off by a rounding
    assert likeliest_paths(probs, 1.0)[:, 1:].all()
    assert (likeliest_paths(probs, 1e-9)[:, 1:].sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([("a", "b"), ("a", None), (None, None)], ["a > b", "a > ends here", "no category"]),
        ([("a", None, None), ("b", "c", None), ("b", "c", "d")], ["b > c > d", "a", "b > c > ends here"]),
        ([(None, "x"), ("a", "y")], ["? > x", "a > y"]),
    ],
)
def test_names(paths, expected) -> None:
    levels, _ = levels_of(paths)

    assert sorted(names_of_paths(levels)) == sorted(expected)


def test_an_end_says_something_where_other_items_go_on() -> None:
    levels, _ = levels_of([("a", "b"), ("a", None), ("c", None), (None, None)])

    says = dict(zip(names_of_paths(levels), is_only_end(levels, 2)[1:].tolist(), strict=True))
    assert says == {"a > b": False, "a > ends here": False, "c": True, "no category": True}
    assert not is_only_end(levels, 1).any()


def test_paths_as_labels_of_every_item() -> None:
    known = catalog()
    labels = path_labels(known.levels, known.item_nodes, known.train_count)

    assert labels.of_item[1:].min() >= 1
    assert labels.num_known == 6
    assert labels.train_count.sum() == known.train_count.sum()
    assert known.labels["path"].names == ["A > A1", "A > A2", "B > B1", "B > B2", "A > ends here", "no category"]
    assert nodes_of_paths(known.levels).tolist() == [[0, 0], [1, 1], [1, 2], [2, 3], [2, 4], [1, 5], [3, 6]]
