"""A block of sessions gets the lists that `Recommender.recommend` gives each of them."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec import Candidates
from hiersrec.batch import formats, scoring
from hiersrec.batch.request import BatchRequest
from tests.batch.conftest import toy_sessions

SESSIONS = [[], ["gone"], *toy_sessions(60)]
REQUESTS = {
    "as it is": {},
    "few, none that was seen": {"k": 3, "exclude_seen": True},
    "more than there are": {"k": 100},
    "candidates, filled": {"k": 40, "candidates": Candidates(policy="category", top=1)},
    "candidates by share": {"candidates": Candidates(policy="category", share=0.2), "exclude_seen": True},
    "allowed": {"allow": ["a0", "b1", "gone"]},
    "denied": {"k": 5, "deny": ["a0", "b1"]},
    "of a category": {"per_category": 1},
    "nothing": {"allow": []},
    "boosted": {"boost": {"a0": 3.0, "b1": -2.0, "gone": 1.0}},
    "a boosted category": {"boost_categories": {("Food",): 1.5}},
    "spread over the tree": {"k": 6, "diversity": 0.3},
}


def rows_of(recommender, sessions, request: BatchRequest) -> tuple[list[list[dict]], dict]:
    """The rows of each session, and the counts."""
    table = pa.table({"session_id": list(range(len(sessions))), "items": pa.array(sessions, pa.list_(pa.string()))})
    columns = formats.schema(True, False, request.explain)
    rows, counts = scoring.score(recommender, request.of(recommender), request.explain, table, columns)
    assert rows.schema == columns
    lists: list[list[dict]] = [[] for _ in sessions]
    for row in rows.to_pylist():
        lists[row["session_id"]].append(row)
    assert [row["session_id"] for of_one in lists for row in of_one] == rows["session_id"].to_pylist(), "in their order"
    return lists, counts


def same(rows, items) -> None:
    """Equal lists; where scores are equal but for rounding, items may be swapped."""
    assert [row["rank"] for row in rows] == list(range(1, len(items) + 1))
    assert [row["source"] for row in rows] == [item.source for item in items]
    score_of = {item.item_id: item.score for item in items}
    for row, item in zip(rows, items, strict=True):
        assert row["score"] == pytest.approx(item.score, abs=1e-4)
        if row["item_id"] != item.item_id:
            assert score_of.get(row["item_id"], item.score) == pytest.approx(item.score, abs=1e-4)
    assert len({row["item_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("name", REQUESTS)
def test_the_lists_are_those_of_recommend(recommender, name) -> None:
    lists, counts = rows_of(recommender, SESSIONS, BatchRequest(**REQUESTS[name]))

    answers = recommender.recommend(SESSIONS, **REQUESTS[name])
    for rows, answer in zip(lists, answers, strict=True):
        same(rows, answer.items)
    fallbacks = [answer.fallback for answer in answers]
    assert counts["sessions"] == len(SESSIONS)
    assert counts["rows"] == sum(map(len, lists))
    assert counts["unknown_ids"] == sum(len(answer.unknown_ids) for answer in answers) > 0
    for source in ("popular", "popular_in_category"):
        assert counts[source] == fallbacks.count(source)
    assert counts["popular"] >= 2
    if name == "candidates, filled":
        assert counts["popular_in_category"] + counts["popular"] > len(SESSIONS) / 2


def test_a_run_and_its_bundle_give_the_same_lists(run_recommender, bundle_recommender) -> None:
    request = BatchRequest(k=10, candidates=Candidates())
    of_run, counts = rows_of(run_recommender, SESSIONS, request)
    of_bundle, same_counts = rows_of(bundle_recommender, SESSIONS, request)

    assert counts == same_counts
    for rows, others in zip(of_run, of_bundle, strict=True):
        assert [row["source"] for row in rows] == [row["source"] for row in others]
        for row, other in zip(rows, others, strict=True):
            assert row["score"] == pytest.approx(other["score"], abs=1e-3)
    items = [[row["item_id"] for row in rows] for rows in of_run]
    equal = sum(one == [row["item_id"] for row in rows] for one, rows in zip(items, of_bundle, strict=True))
    assert equal > 0.9 * len(SESSIONS), "others are swapped where scores are equal but for rounding"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_the_same_in_another_process(name) -> None:
    request = BatchRequest(**REQUESTS[name])

    again = BatchRequest.read(json.loads(json.dumps(request.document())))

    assert again.document() == request.document()
    assert again.boost_categories == (request.boost_categories or {})


def test_what_can_be_read_only_once_is_kept(recommender) -> None:
    given = {"allow": iter(["a0", "b1"]), "deny": map(str, ["b1"]), "categories": iter([iter(["Food"])])}

    request = BatchRequest(**given).kept()

    assert request.of(recommender).only is not None
    document = request.document()
    assert (document["allow"], document["deny"]) == (["a0", "b1"], ["b1"])
    assert document["categories"] == [["Food"]]
    assert BatchRequest(categories="Food").kept().categories == "Food", "which `of` refuses"


@pytest.mark.parametrize("name", ["as it is", "candidates, filled", "few, none that was seen", "boosted"])
def test_reasons_add_up_to_the_score_and_change_no_list(recommender, name) -> None:
    plain, _ = rows_of(recommender, SESSIONS, BatchRequest(**REQUESTS[name]))
    lists, _ = rows_of(recommender, SESSIONS, BatchRequest(explain=True, **REQUESTS[name]))

    for rows, explained in zip(plain, lists, strict=True):
        assert [{**row, "reasons": 0} for row in rows] == [{**row, "reasons": 0} for row in explained]
        for row in explained:
            assert sum(reason["value"] for reason in row["reasons"]) == pytest.approx(row["score"], abs=1e-4)


def test_a_block_is_scored_alike_each_time(recommender) -> None:
    first, counts = rows_of(recommender, SESSIONS, BatchRequest())
    second, again = rows_of(recommender, SESSIONS, BatchRequest())

    assert first == second
    assert counts == again


def test_few_sessions_are_scored_together_where_the_catalogue_is_large(recommender, monkeypatch) -> None:
    expected, _ = rows_of(recommender, SESSIONS, BatchRequest())
    monkeypatch.setattr(scoring, "SCORES", 3 * recommender.catalog_size)
    lists, _ = rows_of(recommender, SESSIONS, BatchRequest())

    for rows, others in zip(lists, expected, strict=True):
        assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in others], abs=1e-4)


@given(st.lists(st.integers(0, 30), max_size=60), st.sampled_from([None, 1, 8]), st.integers(1, 400))
def test_groups_hold_every_session_once_by_length_and_stay_small(lengths, most, num_items) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "TOGETHER", 7)
        patch.setattr(scoring, "POSITIONS", 40)
        patch.setattr(scoring, "SCORES", 1000)
        groups = list(scoring.groups(np.array(lengths, np.int64), most, num_items))
    order = [row for group in groups for row in group.tolist()]
    seen = [min(lengths[row], most or 99) for row in order]

    assert order == sorted(range(len(lengths)), key=lambda row: (min(lengths[row], most or 99), row))
    for group in groups:
        widest = max(min(lengths[row], most or 99) for row in group)
        assert 1 <= len(group) <= 7
        assert len(group) == 1 or (len(group) * widest <= 40 and len(group) * num_items <= 1000)
    assert seen == sorted(seen)


def test_known_items_are_the_newest_of_each_session(recommender) -> None:
    lists = pa.array([*SESSIONS, None, []], pa.list_(pa.string()))
    known = scoring.KnownItems.of(recommender.catalog, pa.array([session or [] for session in lists.to_pylist()]))

    for most in (None, 1, 4):
        rows = np.array([3, 0, len(SESSIONS), 7, 7, 1])
        batch = known.batch(rows, most)
        for row, items, length in zip(rows.tolist(), batch.items, batch.lengths, strict=True):
            session = lists[row].as_py() or []
            expected = [item for item in recommender.catalog.to_internal(session).tolist() if item > 0]
            expected = expected if most is None else expected[-most:]
            assert items[:length].tolist() == expected
            assert not items[length:].any()
