"""The order inside a session, with ties, wherever it matters: in the arrays, in filters, and for the ends of a session.

A position is compared before a time, and the row of the file decides between equals.
"""

import random

import pytest

from hiersrec.preparation.settings import PrepareSettings, SessionRules, SplitSettings
from tests.preparation.tables import LATEST, made, plain, with_part


def tied(order):
    """Events of 60 sessions, mixed up, most of them level with another in `order`; positions run against times."""
    chance = random.Random(3)  # noqa: S311  (test data)
    rows = [{"session_id": chance.randrange(60), "item_id": chance.randrange(1, 7)} for _ in range(500)]
    for row in rows:
        step = chance.randrange(3)
        row["timestamp"] = 1_460_000_000 + row["session_id"] - (step if order == "position" else -step)
        if order == "position":
            row["position"] = step
    return rows


def items_of(rows, order):
    """Session -> its items; Python's sort leaves equals in the order of the rows."""
    result = {}
    for row in sorted(rows, key=lambda row: row[order]):
        result.setdefault(row["session_id"], []).append(row["item_id"])
    return result


def without_repeats(items):
    return [item for index, item in enumerate(items) if not index or item != items[index - 1]]


ORDERS = pytest.mark.parametrize("order", ["position", "timestamp"])


@ORDERS
@pytest.mark.parametrize("rule", ["plain", "drop_repeats", "max_length"])
def test_ties_are_in_the_order_of_rows(tmp_path, order, rule):
    rows = tied(order)
    expected = items_of(rows, order)
    rules = SessionRules()
    if rule == "drop_repeats":
        expected, rules = (
            {name: without_repeats(session) for name, session in expected.items()},
            SessionRules(drop_repeats=True),
        )
    elif rule == "max_length":
        expected, rules = {name: session[-4:] for name, session in expected.items()}, SessionRules(max_length=4)

    data = made(
        tmp_path / "out", rows, PrepareSettings(sessions=rules, split=SplitSettings(method="random", value=0.2))
    )

    result = dict(session for part in plain(data).values() for session in part)
    assert result == {name: session for name, session in expected.items() if len(session) > 1}


@ORDERS
def test_first_and_last_items_are_those_of_that_order(tmp_path, order):
    rows = tied(order)
    settings = with_part(LATEST, "split", method="random", value=0.3, valid="random", key="first_last_item")

    data = made(tmp_path / "out", rows, settings)

    items = items_of(rows, order)
    ends = [{(items[name][0], items[name][-1]) for name, _ in result} for result in plain(data).values()]
    assert sum(map(len, ends)) == len(set.union(*ends))
