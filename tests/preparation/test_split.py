"""Which sessions go where."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from hiersrec.errors import BadInput
from hiersrec.preparation import spans
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.spans import DAY
from hiersrec.preparation.split import SessionTable, is_test, is_valid
from tests.preparation.tables import LATEST, events, made, plain, with_part


def sessions(keys, ends=None):
    count = len(keys)
    return SessionTable(
        session=np.arange(count),
        length=np.full(count, 2),
        key=np.array(keys),
        end=None if ends is None else np.array(ends, float),
        from_test_file=np.zeros(count, bool),
    )


def test_last_days_leave_out_the_cut_itself():
    test, cut = is_test(
        sessions([0, 1, 2, 3], [0, 3 * DAY, 3 * DAY + 1, 10 * DAY]), SplitSettings(method="last_days", value=7)
    )

    assert (test.tolist(), cut) == ([False, False, True, True], 3 * DAY)


def test_a_date_belongs_to_the_test_sessions():
    test, cut = is_test(sessions([0, 1, 2], [DAY - 1, DAY, 2 * DAY]), SplitSettings(method="date", value="1970-01-02"))

    assert (test.tolist(), cut) == ([False, True, True], DAY)


def test_the_last_fraction():
    test, cut = is_test(sessions([0, 1, 2, 3], [1, 2, 2, 3]), SplitSettings(method="fraction", value=0.5))

    assert (test.tolist(), cut) == ([False, False, True, True], 2.0)


@given(
    some.lists(some.integers(0, 8), min_size=2, max_size=60),
    some.sampled_from([0.1, 0.2, 0.5]),
    some.integers(0, 5),
)
def test_a_key_is_wholly_on_one_side(keys, share, seed):
    split = SplitSettings(method="random", value=share, key="user_id", seed=seed)
    table = sessions(keys)
    test, _ = is_test(table, split)
    valid = is_valid(table, test, split)

    for side in (test, valid):
        assert all(len(set(side[table.key == key])) == 1 for key in set(keys))
    assert not (test & valid).any()
    assert test.sum() <= max(share * len(keys) + 0.5, max(np.bincount(keys)))
    assert test.any()


@given(some.integers(10, 200), some.sampled_from([0.1, 0.25]), some.integers(0, 5))
def test_without_keys_the_share_is_exact(count, share, seed):
    split = SplitSettings(method="random", value=share, valid_share=share, seed=seed)
    table = sessions(range(count))
    test, _ = is_test(table, split)
    valid = is_valid(table, test, split)

    assert test.sum() == max(1, round(share * count))
    assert valid.sum() == max(1, round(share * (count - test.sum())))


def test_the_seed_decides():
    table = sessions(range(50))
    chosen = [is_test(table, SplitSettings(method="random", value=0.2, seed=seed))[0].tolist() for seed in (1, 1, 2)]

    assert chosen[0] == chosen[1] != chosen[2]


def test_no_training_event_is_later_than_the_cut(tmp_path):
    for name, split in {"last_days": 3, "date": 1_460_400_000, "fraction": 0.3}.items():
        data = made(tmp_path / name, events(), with_part(LATEST, "split", method=name, value=split))
        train = {session for part in ("train", "valid") for session, _ in plain(data)[part]}

        latest = max(row["timestamp"] for row in events() if row["session_id"] in train)

        assert latest <= data.document["split"]["cut_time"]


def test_twins_of_first_and_last_item_do_not_straddle(tmp_path):
    settings = with_part(LATEST, "split", method="random", value=0.3, valid="random", key="first_last_item")
    rows = events(sessions=80, items=4)

    data = made(tmp_path / "out", rows, settings)

    items_of = {}
    for row in rows:
        items_of.setdefault(row["session_id"], []).append(row["item_id"])
    ends = {
        part: {(items_of[name][0], items_of[name][-1]) for name, _ in result} for part, result in plain(data).items()
    }
    assert not ends["train"] & ends["test"]
    assert not ends["train"] & ends["valid"]
    assert not ends["valid"] & ends["test"]


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_sessions_of_a_part_are_in_the_order_of_time(tmp_path, part):
    data = made(tmp_path / "out", events(), with_part(LATEST, "split", method="random", value=0.4, valid="random"))
    end = {row["session_id"]: row["timestamp"] for row in events()}

    times = [end[name] for name, _ in plain(data)[part]]

    assert times == sorted(times)


@pytest.mark.parametrize(
    ("split", "rule"),
    [
        ({"method": "fraction", "value": 0.25}, "latest"),
        ({"method": "last_days", "value": 3}, "latest"),
        ({"method": "random", "value": 0.25}, "random"),
        ({"method": "fraction", "value": 0.25, "valid": "random"}, "random"),
        ({"method": "random", "value": 0.25, "valid": "latest"}, "latest"),
    ],
)
def test_validation_is_like_the_test_unless_it_is_named(tmp_path, split, rule):
    settings = with_part(LATEST, "split", **({"valid": "auto"} | split))
    end = {row["session_id"]: row["timestamp"] for row in events()}

    data = made(tmp_path / "out", events(), settings)

    assert data.document["split"]["validation"] == rule
    assert data.training().latest == (rule == "latest")
    times = {part: [end[name] for name, _ in plain(data)[part]] for part in ("train", "valid")}
    assert (max(times["train"]) <= min(times["valid"])) == (rule == "latest")


def test_validation_is_random_where_there_are_no_times(tmp_path):
    rows = [{name: value for name, value in row.items() if name != "timestamp"} for row in events()]
    settings = with_part(LATEST, "split", method="random", value=0.25, valid="auto")

    data = made(tmp_path / "out", [row | {"position": number} for number, row in enumerate(rows)], settings)

    assert data.document["split"]["validation"] == "random"


def one_day(hours: float, count: int = 40) -> list[dict]:
    """Sessions of two events, spread evenly over some hours of 2019-09-23 UTC."""
    start = 1_569_196_800
    return [
        {"session_id": number, "item_id": number % 7, "timestamp": start + int(number * hours * 3600 / count) + step}
        for number in range(count)
        for step in (0, 1)
    ]


@pytest.mark.parametrize("hours", [24, 3, 0.1])
def test_the_way_out_of_an_empty_side_works(tmp_path, hours):
    """The message of a split that the span does not allow names the span, and a split that it allows."""
    rows = one_day(hours)
    with pytest.raises(BadInput) as error:
        made(tmp_path / "out", rows, PrepareSettings(split=SplitSettings(method="last_days", value=7)))

    message = str(error.value)
    assert message.startswith(
        "--split last-days:7 leaves no training sessions: all 40 are test. The cut is at 2019-09-1"
    )
    assert "and the sessions end from 2019-09-23 00:00:01 UTC to 2019-09-23 " in message
    method, _, value = message.rpartition("Use --split ")[2].removesuffix(".").partition(":")
    settings = PrepareSettings(split=SplitSettings(method=method.replace("-", "_"), value=float(value)))
    sizes = made(tmp_path / "way_out", rows, settings).document["split"]
    assert all(sizes[part]["sessions"] for part in ("train", "valid", "test"))


@pytest.mark.parametrize(
    ("ends", "rule"),
    [
        (np.arange(40) * DAY, "last-days:7"),
        (np.arange(10) * DAY, "last-days:1"),
        (np.arange(40) / 40 * DAY, "last-days:0.2"),
        (np.arange(40) / 40 * 600, "last-days:0.001"),
        (np.zeros(40), "fraction:0.1"),  # all at one time: their order still divides them
        (np.concatenate([np.zeros(5), np.full(35, DAY)]), "fraction:0.1"),  # the last day has nearly all
        (np.zeros(4), "fraction:0.3"),
        (None, "random:0.2"),
    ],
)
def test_the_advised_split_fits_the_span(ends, rule):
    assert spans.advised_split(ends, 40 if ends is None else len(ends)) == rule


@given(some.lists(some.floats(0, 1e9), min_size=3, max_size=60), some.booleans())
@example([0.0, 1e-4, 5e-4, 1e-3], True)
@example([0.0, 0.01, 0.02, 0.03, 0.04, 0.05], True)
def test_the_advised_split_leaves_sessions_on_both_sides(ends, is_timed):
    ends = np.sort(np.array(ends)) if is_timed else None
    count = len(ends) if is_timed else 50
    method, _, value = spans.advised_split(ends, count).partition(":")
    split = SplitSettings(method=method.replace("-", "_"), value=float(value))
    table = sessions(range(count), ends)

    test, _ = is_test(table, split)
    valid = is_valid(table, test, split)

    assert test.any()
    assert valid.any()
    assert (~test & ~valid).any()


def test_too_few_sessions_are_told():
    from hiersrec.preparation.split import _one_sided

    message = _one_sided(sessions([0, 1], [0, 1]), SplitSettings(method="last_days", value=7), True, 0.0)

    assert message.endswith("A split needs at least 3 sessions of two events or more.")


def test_a_key_with_more_sessions_than_the_share_takes_none_of_it():
    keys = [0] * 300 + list(range(1, 701))  # a guest, and 700 users with a session each
    for seed in range(8):
        test, _ = is_test(sessions(keys), SplitSettings(method="random", value=0.2, seed=seed))
        assert test.sum() == 200
        assert not test[:300].any()
