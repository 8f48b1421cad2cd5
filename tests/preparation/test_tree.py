"""Category columns and paths -> nodes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.preparation.tree import build, names_of_columns, names_of_path, refuse_contradictions


def nodes(tree):
    return [tuple(row.values()) for row in tree.table.to_pylist()]


def test_known_nodes_come_first_in_the_order_of_parent_and_name():
    tree = build([("b", "y"), ("a", None), ("b", None), ("a", "z"), (None, None), ("b", "x")])

    assert nodes(tree) == [
        (1, 1, 0, "a"),
        (1, 2, 0, "b"),
        (1, 3, 0, None),
        (2, 1, 1, "z"),
        (2, 2, 2, "x"),
        (2, 3, 2, "y"),
        (2, 4, 1, None),
        (2, 5, 2, None),
        (2, 6, 3, None),
    ]
    assert tree.item_nodes.tolist() == [[2, 3], [1, 4], [2, 5], [1, 1], [3, 6], [2, 2]]
    assert tree.known() == [2, 3]


def test_a_name_under_two_parents_of_a_path_is_two_nodes():
    tree = build(names_of_path(pa.chunked_array([["Women / Shoes", "Men/Shoes", "Men", None]]), "/"))

    assert [row[3] for row in nodes(tree)] == ["Men", "Women", None, "Shoes", "Shoes", None, None]
    assert tree.item_nodes.tolist() == [[2, 2], [1, 1], [1, 3], [3, 4]]


def test_a_name_under_two_parents_of_columns_is_refused():
    with pytest.raises(BadInput) as error:
        refuse_contradictions([("Women", "Shoes"), ("Men", "Hats"), ("Men", "Shoes")], ["row 1", "row 2", "row 3"])

    assert str(error.value) == (
        "row 3: category 'Shoes' of level 2 has the parent 'Men' here, and 'Women' at row 1. A category has one "
        "parent. Make the names unique, such as 'Men / Shoes', or give the whole path in one column with "
        "--category-path."
    )


def test_numbers_are_names_and_blanks_are_missing():
    columns = [pa.chunked_array([[3, 10, None]]), pa.chunked_array([["x", " ", ""]])]

    assert names_of_columns(columns) == [("3", "x"), ("10", None), (None, None)]


def test_no_levels_and_no_items():
    assert build([(), ()]).item_nodes.shape == (2, 0)
    assert names_of_path(pa.chunked_array([pa.array([], pa.string())]), "/") == []


@given(some.lists(some.tuples(*[some.sampled_from(["a", "b", "c", None])] * 3), min_size=1, max_size=20))
def test_walking_up_from_an_item_meets_its_path(paths):
    tree = build(paths)
    facts = {(level, node): (parent, name) for level, node, parent, name in nodes(tree)}

    for item, path in enumerate(paths):
        for level in range(3):
            parent, name = facts[level + 1, int(tree.item_nodes[item, level])]
            assert name == path[level]
            assert parent == (tree.item_nodes[item, level - 1] if level else 0)
    for level in range(3):
        numbers = [node for index, node in facts if index == level + 1]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert set(numbers) == set(np.unique(tree.item_nodes[:, level]).tolist())


def test_a_separator_at_the_end_is_no_level():
    assert names_of_path(pa.chunked_array([["Home/Beds/", "Home/", "/Home", "Home//Beds/ /"]]), "/") == [
        ("Home", "Beds", None),
        ("Home", None, None),
        (None, "Home", None),
        ("Home", None, "Beds"),
    ]
