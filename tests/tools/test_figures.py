"""The figures of the results stand in the log, digit for digit, and the tables of the pages are those of the file."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = runpy.run_path(str(ROOT / "tools/figures.py"))
FIGURES = tomllib.loads((ROOT / "docs/results/figures.toml").read_text(encoding="utf-8"))
ROWS = [(name, row) for name, table in FIGURES["tables"].items() for row in table["rows"]]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}-{row['cells'][0]}" for name, row in ROWS])
def test_a_row_stands_in_one_line_of_its_entry(name, row) -> None:
    assert len(row["cells"]) == len(FIGURES["tables"][name]["heads"])
    wanted = numbers(" ".join(row["cells"][1:]))

    assert any(wanted <= numbers(line) for line in MODULE["entry_of"](FIGURES["sources"][row["source"]]).splitlines())


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("0.7055", "70.55"),
        ("0.3402 / 0.4591", "34.02 / 45.91"),
        ("0.0059 / 0.0271, another encoder", "0.59 / 2.71, another encoder"),
        ("0.0907, 1.0000", "9.07, 100.00"),
        ("`best` with `inputs.id_dropout=0`", "`best` with `inputs.id_dropout=0`"),
        ("0.029 / 0.5 / 12.9 % / 3.1.0.1234", "0.029 / 0.5 / 12.9 % / 3.1.0.1234"),
    ],
)
def test_shares_of_four_decimals_are_shown_in_percent(cell, shown) -> None:
    assert MODULE["percent"](cell) == shown


def test_accuracies_of_the_pages_have_one_unit() -> None:
    for page in (*MODULE["PAGES"], ROOT / "README.md"):
        assert re.findall(r"(?<![\w.])0\.\d{4}\b", page.read_text(encoding="utf-8")) == [], page.name


@pytest.mark.parametrize("page", MODULE["PAGES"], ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_file(page) -> None:
    text = page.read_text(encoding="utf-8")

    assert MODULE["filled"](text, page, FIGURES) == text, "run: python tools/figures.py"


def test_every_table_and_every_source_is_used() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in MODULE["PAGES"])

    assert set(re.findall(r"<!-- figures: ([\w-]+) -->", texts)) == {*FIGURES["tables"], "sources"}
    assert {row["source"] for _, row in ROWS} == FIGURES["sources"].keys()


def test_the_readme_repeats_figures_of_the_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Results")[1].split("\n## ")[0]
    known = set().union(*(numbers(MODULE["percent"](" ".join(row["cells"]))) for _, row in ROWS))

    assert set(re.findall(r"\d+\.\d\d", table)) <= known
