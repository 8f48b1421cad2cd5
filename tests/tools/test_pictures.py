"""The pictures of the documentation are what the script draws, from numbers that stand elsewhere, and readable."""

import json
import re
from itertools import product

import pytest

from tools.pictures import svg
from tools.pictures.drawn import FOLDER, RESULTS, ROOT, drawn, read_toml

PICTURES = drawn()
PAGES = [ROOT / "RESULTS.md", *sorted((ROOT / "docs").glob("**/*.md"))]
OF_RUN = json.loads((RESULTS / "prediction.json").read_text(encoding="utf-8"))
COPIED = [(name, row) for name, table in read_toml("pictures.toml").items() for row in table["rows"]]
LEAST_CONTRAST = 4.5
"""Of words, by WCAG 2.2, criterion 1.4.3."""


@pytest.mark.parametrize("name", PICTURES)
def test_the_file_is_what_the_script_draws(name) -> None:
    assert (FOLDER / f"{name}.svg").read_bytes().decode() == PICTURES[name], "run: python -m tools.pictures"


@pytest.mark.parametrize("name", PICTURES)
def test_a_page_shows_it_and_says_what_is_seen(name) -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    alts = [alt for text in texts for alt in re.findall(rf"!\[([^\]]+)\]\([^)]*figures/{name}\.svg\)", text)]

    assert alts
    assert min(map(len, alts)) >= 60


@pytest.mark.parametrize(("name", "row"), COPIED, ids=[f"{name}-{row[0]}" for name, row in COPIED])
def test_a_copied_row_stands_in_one_line_of_its_page(name, row) -> None:
    page = ROOT / read_toml("pictures.toml")[name]["page"]
    cells = [[cell.strip() for cell in line.split("|")] for line in page.read_text(encoding="utf-8").splitlines()]

    assert any(row == [cell for cell in line if cell in row][: len(row)] for line in cells)


@pytest.mark.parametrize("table", ["best", "speed"])
def test_the_command_of_copied_rows_stands_in_their_page(table) -> None:
    source = read_toml("pictures.toml")[table]

    assert source["command"] in (ROOT / source["page"]).read_text(encoding="utf-8")


def test_the_time_of_a_full_scan_stands_in_its_page() -> None:
    source = read_toml("pictures.toml")["speed"]

    assert f"({source['full']} ms)" in (ROOT / source["page"]).read_text(encoding="utf-8")


def test_no_category_is_likelier_than_its_parent_and_parents_come_first() -> None:
    chances: dict[tuple[str, ...], float] = {}
    for branch in OF_RUN["tree"]["branches"]:
        path = tuple(branch["path"])
        chances[path] = branch["probability"]
        children = sum(chance for other, chance in chances.items() if other[:-1] == path[:-1] and other[:-1])
        assert children <= chances.get(path[:-1], 1.0)
        assert len(path) == 1 or path[:-1] in chances


@pytest.mark.parametrize("task", OF_RUN["reliability"])
def test_an_error_of_calibration_follows_from_its_bins(task) -> None:
    result = OF_RUN["reliability"][task]
    differences = sum(abs(told - true) * prefixes for told, true, prefixes in result["bins"])

    assert sum(prefixes for _, _, prefixes in result["bins"]) == result["prefixes"]
    assert result["ece"] == pytest.approx(differences / result["prefixes"], abs=1e-5)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_what_they_are_written_on(scheme) -> None:
    written = [*product(("ink", "soft"), ("ground", "card", "key")), *product(svg.SERIES, ("ground",))]
    for word, under in written:
        low, high = sorted(luminance(svg.INKS[name][scheme]) for name in (word, under))
        assert (high + 0.05) / (low + 0.05) >= LEAST_CONTRAST, f"{word} on {under}"


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_drawn_outside_of_the_picture(name) -> None:
    height = float(re.findall(rf'viewBox="0 0 {svg.WIDTH} ([\d.]+)"', PICTURES[name])[0])
    for x, y in re.findall(r'<(?:text|rect)[^>]* ?x="([\d.-]+)" y="([\d.-]+)"', PICTURES[name]):
        assert 0 <= float(x) <= svg.WIDTH
        assert 0 <= float(y) <= height
