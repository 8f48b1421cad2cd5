"""The engine's expressions against a slow, obvious twin in plain Python."""

from collections import Counter
from typing import Any

import pytest

from hiersrec.preparation.settings import Filters, PrepareSettings, SessionRules, SplitSettings
from tests.preparation.tables import Rows, events, made, plain

pytestmark = pytest.mark.slow


def sessions_of(rows: Rows, rules: SessionRules, given: bool) -> dict[Any, Rows]:
    rows = [row for row in rows if not rules.event_types or row["event_type"] in rules.event_types]
    if given:
        result: dict[Any, Rows] = {}
        for row in rows:
            result.setdefault(row["session_id"], []).append(row)
        return {name: sorted(session, key=lambda row: row["timestamp"]) for name, session in result.items()}
    result = {}
    for user in sorted({row["user_id"] for row in rows}):
        number, last = 0, None
        for row in sorted((row for row in rows if row["user_id"] == user), key=lambda row: row["timestamp"]):
            number += last is None or row["timestamp"] - last > rules.gap_seconds
            result.setdefault(f"{user}-{number}", []).append(row)
            last = row["timestamp"]
    return result


def filtered(sessions: dict[Any, Rows], rules: SessionRules, least: Filters) -> dict[Any, Rows]:
    while True:
        before = sum(map(len, sessions.values()))
        if rules.drop_repeats:
            sessions = {
                name: [
                    row
                    for index, row in enumerate(session)
                    if not index or row["item_id"] != session[index - 1]["item_id"]
                ]
                for name, session in sessions.items()
            }
        if rules.max_length is not None:
            sessions = {name: session[-rules.max_length :] for name, session in sessions.items()}
        for column, count in (("item_id", least.min_item_count), ("user_id", least.min_user_count)):
            seen = Counter(row[column] for session in sessions.values() for row in session)
            sessions = {
                name: [row for row in session if seen[row[column]] >= count] for name, session in sessions.items()
            }
        sessions = {name: session for name, session in sessions.items() if len(session) >= least.min_session_length}
        if sum(map(len, sessions.values())) == before:
            return sessions


def twin(rows: Rows, settings: PrepareSettings, given: bool) -> dict[str, list[tuple[Any, list[Any]]]]:
    sessions = filtered(sessions_of(rows, settings.sessions, given), settings.sessions, settings.filters)
    ends = {name: session[-1]["timestamp"] for name, session in sessions.items()}
    order = sorted(sessions, key=lambda name: (ends[name], name))
    split = settings.split
    if split.method == "fraction":
        test = order[len(order) - round(split.value * len(order)) :]
    elif split.method == "last_days":
        test = [name for name in order if ends[name] > max(ends.values()) - split.value * 86_400]
    else:
        test = [name for name in order if ends[name] >= split.value]
    train = [name for name in order if name not in test]
    size = max(1, round(split.valid_share * len(train)))
    known = {row["item_id"] for name in train for row in sessions[name]}
    parts = {"train": train[:-size], "valid": train[-size:], "test": test}
    return {
        part: [
            (name, [row["item_id"] if row["item_id"] in known else "new" for row in sessions[name]]) for name in names
        ]
        for part, names in parts.items()
    }


RULES = {
    "plain": PrepareSettings(split=SplitSettings(method="fraction", value=0.25, valid="latest")),
    "k-core": PrepareSettings(
        filters=Filters(min_item_count=4, min_user_count=5, min_session_length=3),
        split=SplitSettings(method="last_days", value=2, valid="latest", valid_share=0.3),
    ),
    "sessions": PrepareSettings(
        sessions=SessionRules(event_types=("view",), drop_repeats=True, max_length=3),
        filters=Filters(min_item_count=3),
        split=SplitSettings(method="date", value=1_460_300_000, valid="latest"),
    ),
    "gap": PrepareSettings(
        sessions=SessionRules(gap_seconds=999.5), split=SplitSettings(method="fraction", value=0.3, valid="latest")
    ),
    "wide gap": PrepareSettings(
        sessions=SessionRules(gap_seconds=1000, drop_repeats=True),
        filters=Filters(min_item_count=2),
        split=SplitSettings(method="fraction", value=0.3, valid="latest"),
    ),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("rule", RULES)
def test_engine_and_twin_agree(tmp_path, rule, seed):
    rows, given = events(seed, sessions=60), "gap" not in rule
    if not given:
        rows = [{name: value for name, value in row.items() if name != "session_id"} for row in rows]

    data = made(tmp_path / "out", rows, RULES[rule])

    assert plain(data) == twin(rows, RULES[rule], given)


def test_a_pause_of_exactly_the_gap_does_not_cut(tmp_path):
    rows = [{"user_id": "a", "item_id": 1 + index, "timestamp": 100 * index} for index in range(4)]
    rows += [{"user_id": "b", "item_id": 1 + index, "timestamp": 1000 + 101 * index} for index in range(4)]
    rows += [{"user_id": "c", "item_id": 1 + index, "timestamp": 2000 + 100 * index} for index in range(4)]
    settings = PrepareSettings(
        sessions=SessionRules(gap_seconds=100),
        filters=Filters(min_session_length=1),
        split=SplitSettings(method="date", value=2000, valid="latest", valid_share=0.2),
    )

    names = [name for part in plain(made(tmp_path / "out", rows, settings)).values() for name, _ in part]

    assert sorted(names) == ["a-1", "b-1", "b-2", "b-3", "b-4", "c-1"]
