"""published.toml against the paper, checked by hand: tables 2, 3, 4a and 4b."""

import pytest

from hiersrec.reproduction._published import MARKS, gains_of_paper, of_paper, of_split, published, sources
from hiersrec.reproduction.table3 import OF_THE_PAPER, RECIPES

PAPER = published()["paper"]


@pytest.mark.parametrize(
    ("table", "data", "name", "expected"),
    [
        ("table3", "diginetica", "narm", "7.51 / 29.93 / 46.21"),
        ("table3", "diginetica", "cotrec", "7.87 / 28.37 / 43.06"),
        ("table3", "diginetica", "hiersrec", "9.90 / 33.47 / 50.31"),
        ("table3", "thd", "stamp", "10.86 / 27.18 / 39.96"),
        ("table3", "thd", "hiersrec", "12.45 / 30.19 / 44.43"),
        ("table4a", "diginetica", "last_category", "78.61 / 87.93 / 89.08"),
        ("table4a", "diginetica", "multi_task", "88.03 / 93.38 / 94.45"),
        ("table4b", "diginetica", "single_task", "7.52 / 25.24 / 40.37"),
        ("table3", "diginetica", "sknn", ""),
    ],
)
def test_cells_of_the_paper(table, data, name, expected) -> None:
    assert of_paper(table, data, name) == expected


@pytest.mark.parametrize("data", ["diginetica", "thd"])
def test_the_improvement_follows_from_the_rows(data) -> None:
    """A slip of a digit would show, as the paper gives both."""
    rows = PAPER["table3"][data]
    for metric in range(3):
        best = max(values[metric] for name, values in rows.items() if name != OF_THE_PAPER)
        assert rows[OF_THE_PAPER][metric] / best - 1 == pytest.approx(PAPER["improvement"][data][metric], abs=0.0006)


def test_cells_of_the_improvement() -> None:
    assert gains_of_paper("diginetica") == "+25.8 % / +11.8 % / +8.9 %"
    assert gains_of_paper("thd") == "+14.6 % / +8.1 % / +6.7 %"


def test_the_ablation_ends_in_the_row_of_table_3() -> None:
    assert PAPER["table4b"]["diginetica"][OF_THE_PAPER] == PAPER["table3"]["diginetica"][OF_THE_PAPER]


def test_cells_of_the_standard_split_carry_their_mark() -> None:
    assert of_split("diginetica", "narm") == "49.70 / 16.17 [Q]"
    assert of_split("diginetica", "stamp") == "45.64 / 14.32 [Q]"
    assert of_split("diginetica", "cotrec") == "54.18 / 19.07 [M]"
    assert of_split("diginetica", "vsknn") == "~52.03 / 18.41 [R]"
    assert of_split("diginetica", "hiersrec") == of_split("wikispeedia", "narm") == ""


def test_every_published_number_is_of_a_row_and_has_a_known_mark_and_a_source() -> None:
    for numbers in published()["split"].values():
        for name, facts in numbers.items():
            assert name in RECIPES
            assert facts["mark"] in MARKS
            assert facts["source"]
            assert 0 < facts["mrr"] < facts["hits"] < 1
    assert sources("diginetica", ("narm", "sasrec")) == "narm [Q] MGCOT paper, table 2"
    assert sources("wikispeedia", RECIPES) == ""
