"""`diversity_cost` of a run: its table, and what it refuses."""

import pytest

import hiersrec as hr
from hiersrec.errors import BadInput

pytestmark = pytest.mark.slow


def test_a_run_is_measured_as_it_was_evaluated(toy_run) -> None:
    cost = hr.diversity_cost(toy_run, diversity=[0.3, 0.9], per_category=2, k=10, progress=False)

    report = hr.Run.open(toy_run).evaluate("test", k=10, progress=False)
    table = cost.columns()
    assert table["diversity"] == [0, 0.3, 0.9, 0]
    assert table["per_category"] == [None, None, None, 2]
    assert table["hits@10"][0] == pytest.approx(report.metrics["hits@10"])
    assert table["tree_diversity@10"][0] < table["tree_diversity@10"][1] <= table["tree_diversity@10"][2]
    assert cost.to_dict()["prefixes"] == report.metrics["prefixes"]
    for words in ("by score", "diversity 0.3", "per_category 2", "HITS@10", "tree diversity@10", "test sessions"):
        assert words in repr(cost)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"diversity": 1.5}, "diversity must be from 0 to 1, got 1.5"),
        ({"diversity": "0.1"}, "diversity must be a number or a list of them, got '0.1'"),
        ({"per_category": 0}, "per_category must be at least 1, got 0"),
        ({"per_category": 1.5}, "per_category must be a whole number or a list of them, got 1.5"),
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"split": "tset"}, "There is no split 'tset'"),
        ({"last_only": 1}, "last_only must be True or False"),
    ],
)
def test_other_arguments_are_refused(toy_run, arguments, message) -> None:
    with pytest.raises(BadInput, match=message):
        hr.diversity_cost(toy_run, progress=False, **arguments)
