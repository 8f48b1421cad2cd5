import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest

from hiersrec.errors import BadInput
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving import recommender as module
from hiersrec.serving.recommender import Recommender
from tests.serving.world import Explained, Sum, catalog


@pytest.fixture
def plain() -> Recommender:
    return Recommender(catalog(), FullRanker(Sum(), catalog()))


@pytest.fixture
def explaining() -> Recommender:
    return Recommender(catalog(), FullRanker(Explained(), catalog()))


def test_items_come_best_first_in_external_ids_and_ties_by_item_number(plain) -> None:
    [answer] = plain.recommend([["a", "b"]], k=4)

    assert [item.item_id for item in answer.items] == ["b", "d", "f", "c"]
    assert [item.score for item in answer.items] == [15, 15, 12, 9]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert [item.title for item in answer.items] == ["Cairo", "Lion", None, "Tiger"]
    assert answer.items[2].category_path == ["Nature", None]
    assert answer.items[0].reasons is None
    assert answer.candidates == 6
    assert answer.fallback is None


def test_more_than_there_is_gives_all(plain) -> None:
    [answer] = plain.recommend([["a"]], k=100)

    assert len(answer.items) == 6


def test_unknown_ids_are_reported_in_order_and_ignored(plain) -> None:
    [with_unknown, without] = plain.recommend([["x", "a", "y", "b", "x"], ["a", "b"]])

    assert with_unknown.unknown_ids == ["x", "y", "x"]
    assert without.unknown_ids == []
    assert with_unknown.items == without.items


@pytest.mark.parametrize("session", [[], ["x", "y"]])
def test_a_session_without_a_known_item_gets_the_most_popular(plain, session) -> None:
    [answer] = plain.recommend([session], k=3)

    assert answer.fallback == "popular"
    assert [item.item_id for item in answer.items] == ["b", "d", "a"]
    assert [item.score for item in answer.items] == [9, 9, 5]
    assert answer.session == []


def test_the_newest_items_count_when_the_session_is_too_long(plain) -> None:
    long, short = plain.recommend([["f", "f", "a", "b", "c"], ["a", "b", "c"]])

    assert long.items == short.items
    assert [item.item_id for item in long.session] == ["a", "b", "c"]


def test_exclude_seen_leaves_out_all_seen_items_also_those_too_old_to_count(plain) -> None:
    [answer] = plain.recommend([["f", "a", "b", "c"]], k=6, exclude_seen=True)

    assert [item.item_id for item in answer.items] == ["d", "e"]
    assert answer.candidates == 2
    assert [item.item_id for item in answer.session] == ["a", "b", "c"]


def test_exclude_seen_when_everything_was_seen_gives_an_empty_list(explaining) -> None:
    [answer] = explaining.recommend([list("abcdef")], exclude_seen=True, explain=True)

    assert answer.items == []


def test_only_candidates_are_listed_and_counted(explaining) -> None:
    sessions, ids = [["a", "b"], ["c"], [], ["e", "a"]], set("abcdef")
    everything = explaining.recommend(sessions, explain=True)
    for top in (1, 2, 3):
        chosen = Candidates(policy="category", top=top)
        for answer, full in zip(explaining.recommend(sessions, candidates=chosen), everything, strict=True):
            best = [{guess.name for guess in level[:top]} for level in full.guesses]
            path = {item.item_id: item.category_path for item in full.items}
            expected = [item_id for item_id in path if path[item_id][0] in best[0] or path[item_id][1] in best[1]]
            assert [item.item_id for item in answer.items[: len(expected)]] == expected
            assert answer.candidates == len(expected) <= full.candidates == 6
            assert {item.item_id for item in answer.items} == ids, "popular ones fill up"
            assert (len(expected) < 6) == (top == 1)
    [few] = explaining.recommend(
        [["a"]], candidates=Candidates(policy="random", top=1), exclude_seen=True, explain=True
    )
    assert {item.item_id for item in few.items} < ids - {"a"}
    assert all(item.reasons for item in few.items)


def test_diversity_spreads_a_list_and_ranks_and_scores_stay_true(explaining) -> None:
    sessions = [["a", "c"], ["b"], ["d", "a"], ["f"]]
    falling = []
    for answer, whole in zip(
        explaining.recommend(sessions, k=4, diversity=0.9, explain=True), explaining.recommend(sessions), strict=True
    ):
        scores = {item.item_id: item.score for item in whole.items}
        assert [item.rank for item in answer.items] == [1, 2, 3, 4]
        assert answer.items[0].item_id == whole.items[0].item_id
        assert all(item.score == scores[item.item_id] for item in answer.items)
        assert answer.items[0].category_path[0] != answer.items[1].category_path[0]
        assert all(sum(part.value for part in item.reasons) == pytest.approx(item.score) for item in answer.items)
        falling.append(all(one.score >= other.score for one, other in pairwise(answer.items)))
    assert not all(falling)
    assert explaining.recommend(sessions, diversity=0) == explaining.recommend(sessions)


@pytest.mark.parametrize(
    ("diversity", "message"),
    [
        (-0.1, "diversity must be from 0, the order of scores, to 1, .* got -0.1"),
        (1.01, "got 1.01"),
        (float("nan"), "diversity must be a number, got nan"),
        ("0.5", "diversity must be a number, got '0.5'"),
        (None, "diversity must be a number, got None"),
    ],
)
def test_other_diversities_are_refused(explaining, diversity, message) -> None:
    with pytest.raises(BadInput, match=message):
        explaining.recommend([["a"]], diversity=diversity)


def test_diversity_needs_categories() -> None:
    bare = dataclasses.replace(catalog(), levels=[])

    with pytest.raises(BadInput, match="diversity is by the category tree, and these items have no categories"):
        Recommender(bare, FullRanker(Sum(), bare)).recommend([["a"]], diversity=0.5)


def test_candidates_need_categories(plain) -> None:
    with pytest.raises(BadInput, match="this run predicts none"):
        plain.recommend([["a"]], candidates=Candidates(policy="category", top=1))


def test_no_sessions_no_answers(plain) -> None:
    assert plain.recommend([]) == []


def test_answers_do_not_depend_on_the_other_sessions_of_a_call(explaining, monkeypatch) -> None:
    sessions = [["a"], ["b", "c", "x"], [], ["d", "a", "b", "e"], ["f"]]
    together = explaining.recommend(sessions, explain=True)

    one_by_one = [explaining.recommend([session], explain=True)[0] for session in sessions]
    monkeypatch.setattr(module, "BATCH", 2)
    in_pairs = explaining.recommend(sessions, explain=True)

    assert together == one_by_one == in_pairs


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_reasons_add_up_to_the_score(explaining, exclude_seen) -> None:
    answers = explaining.recommend([["a", "b", "c", "d"], ["e"]], explain=True, exclude_seen=exclude_seen)

    for item in [item for answer in answers for item in answer.items]:
        assert item.reasons is not None
        assert sum(reason.value for reason in item.reasons) == pytest.approx(item.score, abs=1e-5)
        for reason in item.reasons:
            pulls = [pull.value for pull in reason.strongest]
            assert sum(pulls) + reason.rest == pytest.approx(reason.value, abs=1e-12)
            assert [abs(pull) for pull in pulls] == sorted(map(abs, pulls), reverse=True)


def test_an_item_has_the_same_rank_and_score_with_and_without_reasons(explaining) -> None:
    [explained] = explaining.recommend([["a", "b"]], explain=True)
    [silent] = explaining.recommend([["a", "b"]])

    assert silent.guesses == []
    assert [dataclasses.replace(item, reasons=None) for item in explained.items] == silent.items


def test_reasons_of_the_fallback_are_counts(explaining) -> None:
    [answer] = explaining.recommend([[]], k=2, explain=True)

    assert [(reason.source, reason.value) for item in answer.items for reason in item.reasons or []] == [
        ("popular", 9)
    ] * 2
    shares = [[guess.probability for guess in level] for level in answer.guesses]
    assert shares == [[14 / 26, 12 / 26], [14 / 24, 10 / 24, 0]]


def test_the_answer_is_json(explaining) -> None:
    answers = explaining.recommend([["a", "x"], []], explain=True)

    text = json.dumps([answer.to_dict() for answer in answers], allow_nan=False)

    assert json.loads(text) == [answer.to_dict() for answer in answers]


def test_a_scorer_that_gives_no_reasons_says_so(plain) -> None:
    with pytest.raises(BadInput, match="has no reasons to give: only recipes with"):
        plain.recommend([["a"]], explain=True)


@pytest.mark.parametrize("k", [0, -1])
def test_wrong_k(plain, k) -> None:
    with pytest.raises(BadInput, match=f"k must be at least 1, got {k}"):
        plain.recommend([["a"]], k=k)


@pytest.mark.parametrize("sessions", [["ab"], [1, 2]])
def test_one_session_in_place_of_a_list_of_sessions(plain, sessions) -> None:
    with pytest.raises(BadInput, match=r"A session is a list of item ids, got .*a list of sessions"):
        plain.recommend(sessions)


def test_numpy_numbers_never_leak(explaining) -> None:
    [answer] = explaining.recommend([["a"]], explain=True)

    def leaves(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]

    assert not any(isinstance(leaf, np.generic) for leaf in leaves(answer.to_dict()))


def test_a_list_that_is_too_short_is_filled_with_popular_items_of_likely_categories_first(explaining) -> None:
    chosen = Candidates(policy="category", top=1)
    sessions = [["a", "b"], ["c"], ["e", "a"], ["f"], ["d", "b"]]
    filled = 0
    for session in sessions:
        [answer] = explaining.recommend([session], explain=True, candidates=chosen)
        [narrow] = explaining.recommend([session], k=answer.candidates, candidates=chosen)
        assert answer.items[: answer.candidates] == [
            dataclasses.replace(item, reasons=explained.reasons)
            for item, explained in zip(narrow.items, answer.items, strict=False)
        ]
        assert narrow.fallback is None
        rest = answer.items[answer.candidates :]
        in_order = [guess.name for guess in answer.guesses[1]]  # of level 2, likeliest first
        counts = dict(zip("abcdef", [5, 9, 1, 9, 0, 2], strict=True))
        expected = [
            (name, item_id)
            for name in in_order
            for item_id in sorted("abcdef", key=lambda item_id: (-counts[item_id], item_id))
            if catalog().path("abcdef".index(item_id) + 1)[1] == name
            and item_id not in {item.item_id for item in narrow.items}
        ]
        known = [item for item in rest if item.source == "popular_in_category"]
        assert [(item.category_path[1], item.item_id) for item in known] == expected
        assert [item.item_id for item in rest[len(known) :]] in ([], ["f"]), "f has no known category of level 2"
        assert all(item.score == counts[item.item_id] for item in rest)
        assert all(item.reasons and item.reasons[0].source == "popular" for item in rest)
        assert answer.fallback == (rest[-1].source if rest else None)
        filled += len(rest)
    assert filled > 5


def test_what_fills_keeps_the_rules_of_the_call(explaining) -> None:
    chosen = Candidates(policy="category", top=1)
    [answer] = explaining.recommend([["c", "d"]], exclude_seen=True, deny=["b"], candidates=chosen, per_category=1)

    ids = [item.item_id for item in answer.items]
    assert not {"b", "c", "d"} & set(ids)
    assert len({item.category_path[1] for item in answer.items}) == len(ids)
    [only] = explaining.recommend([["c"]], allow=["e", "b"], candidates=chosen)
    assert sorted(item.item_id for item in only.items) == ["b", "e"], "all that is allowed is ranked, nothing fills"
    assert only.fallback is None


def test_allow_and_deny_and_unknown_ids(plain) -> None:
    [everything] = plain.recommend([["a"]])
    [some] = plain.recommend([["a"]], allow=["f", "b", "zzz", "b"])
    [others] = plain.recommend([["a"]], deny=["f", "b", "zzz"])
    [none] = plain.recommend([["a"]], allow=[])

    order = [item.item_id for item in everything.items]
    assert [item.item_id for item in some.items] == [item_id for item_id in order if item_id in "fb"]
    assert [item.item_id for item in others.items] == [item_id for item_id in order if item_id not in "fb"]
    assert (some.candidates, others.candidates, none.candidates, none.items) == (2, 4, 0, [])


def test_only_some_categories(plain) -> None:
    [nature] = plain.recommend([["a"]], categories=[["Nature"]])
    [two] = plain.recommend([["a"]], categories=[["Nature", "Plants"], ["Geography"]])
    [both] = plain.recommend([["a"]], categories=[["Nature"]], allow=["a", "e"])

    assert sorted(item.item_id for item in nature.items) == ["c", "d", "e", "f"]
    assert sorted(item.item_id for item in two.items) == ["a", "b", "e"]
    assert [item.item_id for item in both.items] == ["e"]


def test_at_most_a_number_of_items_of_a_category(plain) -> None:
    [everything] = plain.recommend([["a"]])
    for most in (1, 2):
        [answer] = plain.recommend([["a"]], per_category=most)
        left: list = []
        for item in everything.items:
            same = [earlier for earlier in left if earlier.category_path == item.category_path]
            left += [item] if len(same) < most else []
        assert [item.item_id for item in answer.items] == [item.item_id for item in left]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_category": 0}, "per_category must be at least 1, got 0"),
        ({"allow": "a"}, "allow is a list of item ids, got 'a'"),
        ({"deny": 7}, "deny is a list of item ids, got 7"),
        ({"categories": ["Nature"]}, "list of 1 to 2 names, coarse to fine, got 'Nature'"),
        ({"categories": [[]]}, r"got \[\]"),
        ({"categories": [["Geography", "Plants"]]}, "No item has the category Geography > Plants"),
    ],
)
def test_impossible_requests(plain, options, message) -> None:
    with pytest.raises(BadInput, match=message):
        plain.recommend([["a"]], **options)
