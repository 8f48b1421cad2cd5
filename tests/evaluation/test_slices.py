from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hiersrec.evaluation import slices
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Prefixes, Sessions
from tests.toy import DEPARTMENTS, NUM_ITEMS, toy

CATALOG = toy().data.catalog
NEW = 40
"""Known to the shop below, but in no training session."""
PLACE = CATALOG.items.column_names.index("train_count")
COUNTS = pa.array([0 if item == NEW else 9 for item in range(1, NUM_ITEMS + 1)], pa.int64())
WITH_NEW = replace(CATALOG, items=CATALOG.items.set_column(PLACE, "train_count", COUNTS))


def sliced(
    lists: list[list[int]], ranks: dict[int, int] | None = None, catalog: Catalog = CATALOG
) -> dict[str, list[slices.Slice]]:
    """Slices of sessions; `found` gives the rank of some targets, others are misses."""
    prefixes = Prefixes.every(Sessions.from_lists(lists))
    outcomes = Outcomes.empty((5,), len(prefixes), NUM_ITEMS)
    outcomes.target[:] = prefixes.targets(np.arange(len(prefixes)))
    outcomes.rank[:] = [(ranks or {}).get(int(target), 0) for target in outcomes.target]
    return slices.of_items(prefixes, catalog, outcomes)


def counts(rows: list[slices.Slice]) -> dict[str, int]:
    return {row["slice"]: row["prefixes"] for row in rows}


def test_prefix_length_counts_known_items() -> None:
    assert counts(sliced([[1] * 13, [-1, 2], [-1, -2, 3, 4]])["prefix_length"]) == {
        **{"0": 3, "1": 2, "2": 1, "3": 1, "4-5": 2, "6-10": 5, "11+": 2},
    }


def test_target_in_prefix() -> None:
    rows = sliced([[1, 2, 1, 1], [2, 1], [-1, 5, -1], [1, 1]])["target_in_prefix"]
    assert counts(rows) == {"yes": 4, "no": 3}


def test_target_popularity() -> None:
    count = CATALOG.train_count
    rare, common = int(np.argmin(count[1:]) + 1), int(np.argmax(count))
    assert count[rare] < 100 <= count[common]
    sizes = counts(sliced([[1, rare, common, -1]])["target_popularity"])
    assert sum(sizes.values()) == 3
    assert sizes["0"] == 1
    assert sizes["100-999"] == 1


def test_target_category() -> None:
    sizes = counts(sliced([[1, 2, 30, 31, 32, -1]])["target_category"])
    assert sizes == {DEPARTMENTS[1]: 3, DEPARTMENTS[0]: 1, "item not in the catalogue": 1}


def test_category_switch() -> None:
    # Shelves of 8 items: 1 and 2 lie on one, 9 on another of the same department; 48 has only its department.
    sizes = counts(sliced([[1, 2, 9, -1], [2, -1, 1], [-1, 5], [47, 48], [48, 47, 1]])["category_switch"])
    # 2 and 1 stay on the shelf of 1 and 2, 47 in the department of 48; 9 leaves, 48 lacks a shelf, 1 leaves 47's
    assert sizes == {"stays": 3, "switches": 3, "unknown": 3}


@given(
    some.lists(some.lists(some.sampled_from([1, 2, 9, 40, 47, 48, -1]), max_size=7), min_size=1, max_size=6).filter(
        lambda lists: any(len(session) > 1 for session in lists)
    )
)
def test_category_switch_parts_every_prefix_as_a_slow_twin_does(lists) -> None:
    def label(session: list[int], end: int) -> str:
        known = [item for item in session[:end] if item > 0]
        if not known or session[end] < 0:
            return "unknown"
        last, target = ([name for name in CATALOG.path(item) if name] for item in (known[-1], session[end]))
        return "stays" if target[: len(last)] == last else "switches"

    labels = [label(session, end) for session in lists for end in range(1, len(session))]

    assert counts(sliced(lists)["category_switch"]) == {name: labels.count(name) for name in set(labels)}


def test_cold_start() -> None:
    sizes = counts(sliced([[1, NEW, 2, 3], [-1, 4, -2], [5, 6, 7], [NEW, NEW]], catalog=WITH_NEW)["cold_start"])
    # Targets: NEW, 2 after NEW, 3 after NEW | 4 after -1, -2 | 6, 7 | NEW
    assert sizes == {"target new": 3, "session holds new items": 3, "all known": 2}
    assert list(sizes) == ["target new", "session holds new items", "all known"]
    assert counts(sliced([[1, 2, 3]])["cold_start"]) == {"all known": 2}


@given(
    some.lists(some.lists(some.sampled_from([1, 2, 3, NEW, -1, -2]), max_size=7), min_size=1, max_size=6).filter(
        lambda lists: any(len(session) > 1 for session in lists)
    )
)
def test_cold_start_parts_every_prefix_as_a_slow_twin_does(lists) -> None:
    def label(session: list[int], end: int) -> str:
        if session[end] in (NEW, -1, -2):
            return "target new"
        return "session holds new items" if {NEW, -1, -2} & set(session[:end]) else "all known"

    labels = [label(session, end) for session in lists for end in range(1, len(session))]

    sizes = counts(sliced(lists, catalog=WITH_NEW)["cold_start"])

    assert sizes == {name: labels.count(name) for name in set(labels)}
    assert sum(sizes.values()) == len(labels)


def test_only_the_most_frequent_categories_stand_alone() -> None:
    nodes = np.repeat(np.arange(1, 26), np.arange(1, 26)).astype(np.int32)
    parts = {
        name: int(chosen.sum()) for name, chosen in slices._categories(nodes, [None, *map(str, range(1, 26)), None])
    }
    assert list(parts)[:20] == [str(node) for node in range(25, 5, -1)]
    assert parts["other categories"] == 1 + 2 + 3 + 4 + 5
    assert parts["unknown category"] == 0
    unknown = dict(slices._categories(np.array([26, 1], np.int32), [None, *map(str, range(1, 26)), None]))
    assert unknown["unknown category"].tolist() == [True, False]


def test_metrics_are_those_of_the_slice_and_add_up() -> None:
    slices = sliced([[1, 2, 3], [4, 30], [1, 2]], {2: 1, 3: 2, 30: 4})
    for rows in slices.values():
        total = sum(row["prefixes"] * row["metrics"]["mrr@5"] for row in rows)
        assert total == pytest.approx(1 + 1 / 2 + 1 / 4 + 1)
        assert all(row["prefixes"] > 0 for row in rows)
    by_category = {row["slice"]: row["metrics"]["mrr@5"] for row in slices["target_category"]}
    assert by_category == {"Food": pytest.approx(2.5 / 3), "Tools": pytest.approx(1 / 4)}
