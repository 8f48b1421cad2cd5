import dataclasses
import math

import numpy as np
import pytest

from hiersrec.serving.answers import Pull
from hiersrec.serving.explain import coherent, guesses, probabilities, reasons, shares
from hiersrec.store.item_catalog import Level
from hiersrec.types import ScorePart
from tests.serving.world import catalog

INF = float("inf")


def test_probabilities_are_a_softmax_without_padding() -> None:
    logits = np.array([-INF, 1.0, 3.0, 2.0], np.float32)
    total = sum(math.exp(x) for x in (1, 3, 2))

    expected = [0, *(math.exp(x) / total for x in (1, 3, 2))]

    assert probabilities(logits) == pytest.approx(expected, abs=1e-15)


def test_probabilities_of_huge_logits_stay_numbers() -> None:
    found = probabilities(np.array([-INF, 1e38, -1e38], np.float32))

    assert found.tolist() == [0, 1, 0]


def test_shares() -> None:
    assert shares(np.array([-INF, 3, 1], np.float32)).tolist() == [0, 0.75, 0.25]
    assert shares(np.array([-INF, 0, 0], np.float32)).tolist() == [0, 0, 0]


def test_guesses_come_likeliest_first_with_the_path_from_the_top() -> None:
    found = guesses(catalog(), "category_2", np.array([0, 0.2, 0.6, 0.2]))

    assert [(guess.task, guess.name, guess.probability) for guess in found] == [
        ("category_2", "Animals", 0.6),
        ("category_2", "Africa", 0.2),
        ("category_2", "Plants", 0.2),
    ]
    assert [guess.path for guess in found] == [["Nature", "Animals"], ["Geography", "Africa"], ["Nature", "Plants"]]


def test_a_node_without_a_name_is_where_the_tree_ends() -> None:
    world = catalog()
    world.levels[0].names.append(None)
    world.levels[1].names.append(None)
    world.levels[0] = dataclasses.replace(world.levels[0], parents=np.zeros(4, np.int32))
    world.levels[1] = dataclasses.replace(world.levels[1], parents=np.array([0, 1, 2, 2, 2, 3], np.int32))

    found = guesses(world, "category_2", np.array([0, 0.1, 0.2, 0.1, 0.4, 0.2]))

    assert [(guess.name, guess.path) for guess in found][:1] == [("Nature / ends here", ["Nature", None])]
    assert [None, None] not in [guess.path for guess in found], "level 1 says it already"
    assert guesses(world, "category_1", np.array([0, 0.3, 0.3, 0.4]))[0].name == "no category"


@pytest.mark.parametrize(
    ("fine", "expected"),
    [
        ([0, 0.3, 0.4, 0.1, 0.2], True),
        ([0, 0.3, 0.4, 0.3], True),
        ([0, 0.3, 0.4, 0.1], False),  # where a level that an item lacks is left out
        ([0, 0.4, 0.3, 0.1, 0.2], False),
        ([0, 0.31, 0.39, 0.1, 0.2], False),
    ],
)
def test_levels_are_coherent_if_children_sum_to_their_parent(fine, expected) -> None:
    chances = {"category_1": np.array([0, 0.3, 0.7]), "brand": np.array([0, 1.0]), "category_2": np.array(fine)}

    assert coherent(catalog(), chances) is expected
    assert coherent(catalog(), {"category_2": np.array(fine)}), "one level has nothing to contradict"


def test_a_reason_names_the_three_classes_that_move_the_score_most_either_way() -> None:
    level = Level(5, [None, "A", "B", "C", "D", "E"], np.zeros(6, np.int32))
    world = dataclasses.replace(catalog(), levels=[level])
    added = np.array([[0.5, -4.0, 0.25, 2.0, 1.0]], np.float32)
    parts = [
        ScorePart("session", np.array([1.5], np.float32), None),
        ScorePart("category_1", added.sum(axis=1), added),
    ]

    [[session, category]] = reasons(world, {"category_1": np.array([0, 0.1, 0.2, 0.3, 0.25, 0.15])}, parts)

    assert (session.source, session.value, session.strongest, session.rest) == ("session", 1.5, [], 1.5)
    assert category.value == -0.25
    assert category.strongest == [Pull("B", 0.2, -4.0), Pull("D", 0.25, 2.0), Pull("E", 0.15, 1.0)]
    assert category.rest == 0.75


@pytest.mark.parametrize("classes", [1, 2, 40])
def test_the_classes_of_a_reason_are_the_first_of_a_stable_sort(classes) -> None:
    names = [None, *map(str, range(classes))]
    world = dataclasses.replace(catalog(), levels=[Level(classes, names, np.zeros(classes + 1, np.int32))])
    added = np.random.default_rng(classes).integers(-2, 3, (30, classes)).astype(np.float32)  # many ties, and zeros
    parts = [ScorePart("category_1", added.sum(axis=1), added)]

    chance = np.linspace(0, 1, classes + 1)

    found = reasons(world, {"category_1": chance}, parts)

    for row, [reason] in zip(added, found, strict=True):
        first = np.argsort(-np.abs(row), kind="stable")[:3]
        assert reason.strongest == [Pull(names[c + 1], chance[c + 1], row[c]) for c in first]
        assert reason.rest == reason.value - row[first].sum()
    assert reasons(world, {}, [ScorePart("bias", np.zeros(0, np.float32), None)]) == []
