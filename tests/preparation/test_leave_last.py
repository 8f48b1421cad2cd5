"""The split leave-last: hand-computed on a toy, against a twin, and what training can reach."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.evaluation.evaluate import EvaluationOptions, prefixes_of
from hiersrec.preparation.settings import Filters, Implicit, PrepareSettings, SplitSettings
from hiersrec.store.sessions import Prefixes
from hiersrec.store.statistics import table
from tests.preparation.tables import events, made, plain

pytestmark = pytest.mark.slow

LEAVE_LAST = PrepareSettings(split=SplitSettings(method="leave_last", value=1))


def rows_of(*sessions: str, timed: bool = True) -> list[dict]:
    """Sessions such as "abc", named s0, s1, ...; session n begins at second n, and its events follow every 10 s."""
    order = "timestamp" if timed else "position"
    return [
        {"session_id": f"s{number}", "item_id": item, order: 1_460_000_000 + number + 10 * step}
        for number, items in enumerate(sessions)
        for step, item in enumerate(items)
    ]


def test_every_session_is_divided(tmp_path):
    lines = []

    data = made(tmp_path / "out", rows_of("abcd", "bca", "cb", "abcabe"), LEAVE_LAST, say=lines.append)

    # Of each part in the order of time: in training, s1 has one event, s2 two and s0 two, s2 being the later.
    assert plain(data) == {
        "train": [("s1", ["b"]), ("s0", ["a", "b"]), ("s2", ["c", "b"]), ("s3", ["a", "b", "c", "a"])],
        "valid": [("s1", ["b", "c"]), ("s0", ["a", "b", "c"]), ("s3", ["a", "b", "c", "a", "b"])],
        "test": [("s1", ["b", "c", "a"]), ("s0", ["a", "b", "c", "new"]), ("s3", ["a", "b", "c", "a", "b", "new"])],
    }
    assert data.document["split"] == {
        "rule": "leave_last",
        "cut_time": None,
        "targets": "last",
        "too_short": 1,
        "train": {"sessions": 4, "events": 9},
        "valid": {"sessions": 3, "events": 10},
        "test": {"sessions": 3, "events": 13},
    }
    assert "prepare: 1 of 4 sessions have fewer than 3 items: they train, and neither validate nor test" in lines
    assert "prepare: split leave-last: 4 train, 3 valid, 3 test sessions" in lines
    counts = data.catalog.items.select(["item_id", "train_count"]).to_pylist()
    assert counts == [
        {"item_id": "a", "train_count": 3},
        {"item_id": "b", "train_count": 4},
        {"item_id": "c", "train_count": 2},
    ]


def test_the_statistics_count_every_event_once(tmp_path):
    data = made(tmp_path / "out", rows_of("abcd", "bca", "cb", "abcabe"), LEAVE_LAST)

    statistics = data.document["statistics"]
    # 4 + 3 + 2 + 6 events; next items before the test: 2 (abc), 1 (bc), 1 (cb) and 4 (abcab); d and e are new.
    expected = {
        "training_sessions": 4,
        "validation_sessions": 3,
        "test_sessions": 3,
        "interactions": 15,
        "mean_session_length": 15 / 4,
        "training_prefixes": 8,
        "test_prefixes": 3,
        "items": 3,
        "unseen_test_items": 2,
        "unseen_test_events": 2,
    }
    assert {name: statistics[name] for name in expected} == expected
    assert "4 training, 3 validation and 3 test sessions" in repr(data)
    shown = dict(table(data.document))
    assert shown["targets"].endswith("validates; sessions that are too short to be divided (1) only train")


@pytest.mark.parametrize(("split", "targets"), [("test", [1, -1, -2]), ("valid", [3, 3, 2])])
def test_only_the_last_item_is_a_target(tmp_path, split, targets):
    data = made(tmp_path / "out", rows_of("abcd", "bca", "cb", "abcabe"), LEAVE_LAST)

    prefixes = prefixes_of(data.sessions(split), EvaluationOptions())

    assert prefixes.targets(np.arange(3)).tolist() == targets
    assert len(Prefixes.of(data.sessions("train"))) == 0 + 1 + 1 + 3


def test_the_order_is_that_of_positions_where_there_are_any(tmp_path):
    rows = rows_of("abcd", "bcda", "cdab", timed=False)

    data = made(tmp_path / "out", rows[::-1], LEAVE_LAST)

    assert plain(data)["train"] == [("s0", ["a", "b"]), ("s1", ["b", "c"]), ("s2", ["c", "d"])]
    assert [items[-1] for _, items in plain(data)["test"]] == ["d", "a", "b"]


def test_ties_in_time_keep_the_order_of_the_file(tmp_path):
    rows = [{"session_id": 1, "item_id": item, "timestamp": 1_460_000_000} for item in "bacd"]

    data = made(tmp_path / "out", [*rows, *({**row, "session_id": 2} for row in rows)], LEAVE_LAST)

    assert plain(data) == {
        "train": [(1, ["b", "a"]), (2, ["b", "a"])],
        "valid": [(1, ["b", "a", "c"]), (2, ["b", "a", "c"])],
        "test": [(1, ["b", "a", "c", "new"]), (2, ["b", "a", "c", "new"])],
    }


def test_a_whole_user_is_a_session_by_the_column_of_users(tmp_path):
    rows = [
        {"user_id": user, "item_id": item, "timestamp": 1_460_000_000 + 86_400 * day}
        for user in "xy"
        for day, item in enumerate("abcab")
    ]
    chosen = replace(LEAVE_LAST, columns=replace(LEAVE_LAST.columns, session_id="user_id"))

    data = made(tmp_path / "out", rows, chosen)

    assert plain(data)["test"] == [("x", list("abcab")), ("y", list("abcab"))]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.text("abcdef", min_size=1, max_size=7), min_size=1, max_size=12), some.booleans())
def test_nothing_of_test_is_within_reach_of_training(tmp_path_factory, sessions, timed):
    """Twin: what training gets is what it gets from files that lack the last item of every session of three or more."""
    if not any(len(items) > 2 for items in sessions):
        return
    folder = tmp_path_factory.mktemp("leave")
    chosen = replace(LEAVE_LAST, filters=Filters(min_session_length=1))

    data = made(folder / "out", rows_of(*sessions, timed=timed), chosen)

    training, before = data.training(), plain(data)
    long = {f"s{number}": items for number, items in enumerate(sessions) if len(items) > 2}
    short = {f"s{number}": items for number, items in enumerate(sessions) if len(items) < 3}
    assert {name: "".join(items) for name, items in before["train"]} == {
        **{name: items[:-2] for name, items in long.items()},
        **short,
    }
    assert {name: "".join(items) for name, items in before["valid"]} == {
        name: items[:-1] for name, items in long.items()
    }
    assert [len(items) for _, items in before["test"]] == [len(long[name]) for name, _ in before["test"]]
    known = set("".join([*(items[:-1] for items in long.values()), *short.values()]))
    assert training.catalog.items["item_id"].to_pylist() == sorted(known)
    assert training.train.items.min() > 0
    assert training.valid.items.min() > 0
    hidden = [
        items[:-1] + "z" if name in long else items for name, items in ((f"s{n}", i) for n, i in enumerate(sessions))
    ]
    twin = made(folder / "twin", rows_of(*hidden, timed=timed), chosen).training()
    for ours, other in ((training.train, twin.train), (training.valid, twin.valid)):
        assert np.array_equal(ours.items, other.items)
        assert np.array_equal(ours.offsets, other.offsets)
    assert training.catalog.items.equals(twin.catalog.items)


def test_clusters_are_chosen_by_the_items_that_validate(tmp_path):
    shop = events(sessions=60)
    chosen = replace(LEAVE_LAST, implicit=Implicit(auto=True))

    data = made(tmp_path / "out", shop, chosen)

    assert data.document["implicit"]["curve"]


def test_sessions_that_are_all_too_short_are_refused(tmp_path):
    with pytest.raises(
        BadInput, match=r"needs sessions of at least 3 items, and all 2 are shorter. .*--session-id user_id"
    ):
        made(tmp_path / "out", rows_of("ab", "cd"), LEAVE_LAST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": 2}, "tests exactly the last item of each session, got 2. Give leave-last:1"),
        ({"valid": "latest"}, "--validation latest has no effect with --split leave-last:1"),
        ({"valid_share": 0.2}, "--validation-share 0.2 has no effect"),
        ({"hold_out_items": 0.1}, "--hold-out-items 0.1 has no effect"),
        ({"key": "user_id"}, "got --split leave-last: only a random split keeps keys"),
    ],
)
def test_options_without_effect_are_refused(changes, message):
    with pytest.raises(BadInput) as error:
        replace(LEAVE_LAST.split, **changes)

    assert message in str(error.value)
