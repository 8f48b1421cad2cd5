"""What the code says of itself on the site is complete, and links lead to pages of the site."""

import re

import pytest

import hiersrec
from hiersrec import registry
from tools.docs import http_page, links, notebooks, reference


def rows(text: str) -> list[list[str]]:
    """Cells of all lines of all tables, but for their heads."""
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    bars = [number for number, line in enumerate(cells) if set("".join(line).split()) == {"---"}]
    heads = {number - 1 for number in bars}
    return [[cell.strip() for cell in line] for number, line in enumerate(cells) if number not in {*bars, *heads}]


def test_every_command_and_option_has_a_meaning() -> None:
    page = reference.commands()

    assert {"train", "serve", "recommend"} <= set(re.findall(r"^## (\S+)$", page, re.MULTILINE))
    assert [cells[0] for cells in rows(page) if not cells[-1]] == []
    assert "`--k K,...`" in page


def test_every_recipe_key_has_a_meaning_and_values() -> None:
    page = reference.recipe_keys()

    assert [cells[0] for cells in rows(page) if not all(cells)] == []
    for name in registry.own_names("model.encoders"):
        assert f'[encoder] name = "{name}"' in page
    assert "| `learning_rate` | number, > 0 | `0.0001` | Learning rate of Adam. |" in page


def test_every_member_and_public_name_is_named() -> None:
    page, names = reference.members(), reference.python_names()

    assert reference.KINDS.keys() == {*registry.KINDS, registry.RECIPES}
    assert [one.name for one in hiersrec.members() if one.origin == "hiersrec" and f"`{one.name}`" not in page] == []
    assert [name for name in hiersrec.MODULES if f".{name}\n" not in names] == []


def test_every_endpoint_and_schema_has_a_place_to_link_to() -> None:
    page = http_page.http_api()
    anchors = {links.anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}

    assert [path for path in http_page.document()["paths"] if f" {path}\n" not in page] == []
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


@pytest.mark.parametrize(
    ("page", "markdown", "expected"),
    [
        ("do/train.md", "[log](../log/index.md#a)", "[log](../log/index.md#a)"),
        ("do/train.md", "[Results](../../RESULTS.md#b)", "[Results](../results/index.md#b)"),
        ("do/train.md", "![page](../figures/page.png)", "![page](../figures/page.png)"),
        ("results/index.md", "[The log](docs/log/index.md)", "[The log](../log/index.md)"),
        ("develop/contributing.md", "[tests/drills](tests/drills/README.md)", "[tests/drills](drills.md)"),
        ("do/operate.md", "[unit](../../deploy/hiersrec.service)", "unit"),
        ("do/operate.md", "[deploy/hiersrec.service](../../deploy/hiersrec.service)", "`deploy/hiersrec.service`"),
        ("do/train.md", "[a](https://example.org/x.md) [b](#here)", "[a](https://example.org/x.md) [b](#here)"),
        ("do/train.md", "```text\n[a](../../RESULTS.md)\n```", "```text\n[a](../../RESULTS.md)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(page, markdown, expected) -> None:
    assert links.rewritten(markdown, page) == expected


def test_notebooks_show_text_code_and_output() -> None:
    page = notebooks.notebook(reference.root() / "examples/1_first_recommendation.ipynb")

    assert page.startswith("# ")
    assert "```python\nimport os\n" in page
    assert "```text\nDataset 'articles'" in page
    assert "\x1b" not in page
