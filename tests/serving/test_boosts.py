"""What a shop adds to scores: to which items, how it is told, and which boosts are refused."""

import math

import numpy as np
import pytest

from hiersrec.errors import BadInput
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.boosts import offsets_of
from hiersrec.serving.recommender import Recommender
from tests.serving.world import Explained, Sum, catalog


@pytest.fixture(scope="module")
def explaining() -> Recommender:
    return Recommender(catalog(), FullRanker(Explained(), catalog()))


def test_boosts_of_an_item_and_of_all_categories_above_it_add_up() -> None:
    # a, b: Geography, Africa; c, d: Nature, Animals; e: Nature, Plants; f: Nature
    found = offsets_of(
        catalog(),
        {"a": 1.0, "d": -0.25, "nobody": 9},
        {("Nature",): 0.5, ("Nature", "Animals"): 2, ("Geography", "Africa"): np.float32(-4)},
    )

    assert found is not None
    assert found.dtype == np.float32
    assert found.tolist() == [0, 1 - 4, -4, 2.5, 2.5 - 0.25, 0.5, 0.5]


def test_numbers_are_ids_too() -> None:
    found = offsets_of(catalog([10, 11, 12, 13, 14, 15]), {"11": 1, 13: 2.0, np.int64(15): 3}, None)

    assert found is not None
    assert found.tolist() == [0, 0, 1, 0, 2, 0, 3]


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_boost_is_nothing_to_add(nothing) -> None:
    assert offsets_of(catalog(), nothing, nothing) is None


@pytest.mark.parametrize(
    ("boost", "boost_categories", "message"),
    [
        ([("a", 1)], None, r"boost is a mapping to numbers, such as \{\"sku-1\": 0.5\}, got \[\('a', 1\)\]"),
        ("a", None, "boost is a mapping"),
        (7, None, "boost is a mapping"),
        ({"a": "1"}, None, "The boost of 'a' must be a number, got '1'"),
        ({"a": None}, None, "The boost of 'a' must be a number, got None"),
        ({"a": math.nan}, None, "The boost of 'a' must be a number, got nan"),
        ({"a": -math.inf}, None, "The boost of 'a' must be a number, got -inf"),
        ({"a": 1000.5}, None, "The boost of 'a' must be from -1,000 to 1,000, got 1000.5.*deny"),
        ({1.5: 1}, None, "An item id is text or a whole number, got 1.5"),
        (None, [["Nature"]], "boost_categories is a mapping to numbers"),
        (None, {("Nature",): True}, r"The boost of \('Nature',\) must be a number, got True"),
        (None, {"Nature": 1}, "A category is a list of 1 to 2 names"),
        (None, {("Nature", "Cats"): 1}, "No item has the category Nature > Cats"),
    ],
)
def test_other_boosts_are_refused(explaining, boost, boost_categories, message) -> None:
    with pytest.raises(BadInput, match=message):
        explaining.recommend([["a"]], boost=boost, boost_categories=boost_categories)


def test_a_boost_moves_the_item_by_its_value_and_is_a_reason_of_that_value(explaining) -> None:
    sessions = [["a", "b"], ["c"], ["e", "f", "d"]]
    before = explaining.recommend(sessions, explain=True)
    boosted = explaining.recommend(
        sessions, explain=True, boost={"e": 0.75, "zzz": 3}, boost_categories={("Nature", "Animals"): -1.5}
    )

    expected = {"a": 0, "b": 0, "c": -1.5, "d": -1.5, "e": 0.75, "f": 0}
    for one, other in zip(before, boosted, strict=True):
        scores = {item.item_id: item.score for item in one.items}
        assert [item.score for item in other.items] == sorted((item.score for item in other.items), reverse=True)
        for item in other.items:
            assert item.score == pytest.approx(scores[item.item_id] + expected[item.item_id], abs=1e-6)
            values = {reason.source: reason.value for reason in item.reasons}
            assert values["boost"] == expected[item.item_id]
            assert sum(values.values()) == pytest.approx(item.score, abs=1e-5)
        assert {item.item_id: item.reasons[:-1] for item in other.items} == {
            item.item_id: item.reasons for item in one.items
        }, "the parts of the model are as before"


def test_without_a_boost_there_is_no_such_reason(explaining) -> None:
    [answer] = explaining.recommend([["a"]], explain=True, boost={})

    assert "boost" not in {reason.source for reason in answer.items[0].reasons}


def test_a_boost_makes_no_candidate_and_popular_items_get_none(explaining) -> None:
    top = Candidates(policy="category", top=1)
    sessions = [["a"], ["a", "b"], ["c"], ["e", "a"], ["f"]]
    short = False
    for plain, boosted in zip(
        explaining.recommend(sessions, candidates=top),
        explaining.recommend(sessions, candidates=top, boost=dict.fromkeys("abcdef", 50)),
        strict=True,
    ):
        ranked = [item.item_id for item in plain.items if item.source == "session"]
        short |= len(ranked) < 6
        assert [item.item_id for item in boosted.items] == [item.item_id for item in plain.items]
        for one, other in zip(plain.items, boosted.items, strict=True):
            assert other.source == one.source
            assert other.score == pytest.approx(one.score + 50 * (one.source == "session"), abs=1e-5)
    assert short, "some list was filled"

    [empty] = explaining.recommend([["nobody"]], explain=True, boost={"e": 50})
    assert [item.item_id for item in empty.items][:2] == ["b", "d"]
    assert [reason.source for reason in empty.items[0].reasons] == ["popular"]


def test_a_model_without_reasons_can_be_boosted() -> None:
    plain = Recommender(catalog(), FullRanker(Sum(), catalog()))

    [answer] = plain.recommend([["a"]], k=2, boost={"e": 100})

    assert [(item.item_id, item.score) for item in answer.items] == [("e", 102), ("b", 5)]
