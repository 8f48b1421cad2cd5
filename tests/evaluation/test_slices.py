import numpy as np
import pytest

from hiersrec.evaluation import slices
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.store.sessions import Prefixes, Sessions
from tests.toy import DEPARTMENTS, toy

CATALOG = toy().data.catalog


def sliced(lists: list[list[int]], found: dict[int, int] | None = None) -> dict[str, list[slices.Slice]]:
    """Slices of sessions; `found` gives the rank of some targets, others are misses."""
    prefixes = Prefixes.every(Sessions.from_lists(lists))
    outcomes = Outcomes.empty(5, len(prefixes))
    outcomes.target[:] = prefixes.targets(np.arange(len(prefixes)))
    outcomes.rank[:] = [(found or {}).get(int(target), 0) for target in outcomes.target]
    return slices.of_items(prefixes, CATALOG, outcomes)


def counts(rows: list[slices.Slice]) -> dict[str, int]:
    return {row["slice"]: row["prefixes"] for row in rows}


def test_prefix_length_counts_known_items() -> None:
    assert counts(sliced([[1] * 13, [-1, 2], [-1, -2, 3, 4]])["prefix_length"]) == {
        **{"0": 3, "1": 2, "2": 1, "3": 1, "4-5": 2, "6-10": 5, "11+": 2},
    }


def test_target_in_prefix() -> None:
    found = sliced([[1, 2, 1, 1], [2, 1], [-1, 5, -1], [1, 1]])["target_in_prefix"]
    assert counts(found) == {"yes": 4, "no": 3}


def test_target_popularity() -> None:
    count = CATALOG.train_count
    rare, common = int(np.argmin(count[1:]) + 1), int(np.argmax(count))
    assert count[rare] < 100 <= count[common]
    found = counts(sliced([[1, rare, common, -1]])["target_popularity"])
    assert sum(found.values()) == 3
    assert found["0"] == 1
    assert found["100-999"] == 1


def test_target_category() -> None:
    found = counts(sliced([[1, 2, 30, 31, 32, -1]])["target_category"])
    assert found == {DEPARTMENTS[1]: 3, DEPARTMENTS[0]: 1, "item not in training": 1}


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
    found = sliced([[1, 2, 3], [4, 30], [1, 2]], {2: 1, 3: 2, 30: 4})
    for rows in found.values():
        total = sum(row["prefixes"] * row["metrics"]["mrr@5"] for row in rows)
        assert total == pytest.approx(1 + 1 / 2 + 1 / 4 + 1)
        assert all(row["prefixes"] > 0 for row in rows)
    by_category = {row["slice"]: row["metrics"]["mrr@5"] for row in found["target_category"]}
    assert by_category == {"Food": pytest.approx(2.5 / 3), "Tools": pytest.approx(1 / 4)}
