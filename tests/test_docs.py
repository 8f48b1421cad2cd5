"""The README and the guides: links and commands lead somewhere, and the README is short."""

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from hiersrec.cli.app import app
from hiersrec.errors import INSTALL
from hiersrec.recipe_file import find_recipe

ROOT = Path(__file__).parents[1]
LOG = sorted(ROOT.glob("docs/log/*.md"))
"""Its commands are those of their date."""
PAGES = [ROOT / name for name in ("README.md", "RESULTS.md", "CONTRIBUTING.md", "benchmarks/README.md")]
PAGES += sorted(set(ROOT.glob("docs/**/*.md")).difference(LOG))
COMMANDS = typer.main.get_command(app).commands


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *LOG], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_options_and_recipes_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"\bhiersrec ([a-z][a-z-]*)((?: [^`\n#&|]*)?)", text):
        if name not in COMMANDS:
            continue  # a sentence that goes on after the library's name
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert option in known, f"{page.name}: hiersrec {name} has no option {option}"
    for recipe in re.findall(r"--recipe ([a-z][a-z0-9_]*)(?![\w/.])", text):
        assert find_recipe(recipe, "shop").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_imports_of_python_examples_exist(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        imports = [node for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec("\n".join(map(ast.unparse, imports)), {})  # noqa: S102 - the repository's own text


def test_the_tree_of_files_names_what_exists_and_every_part() -> None:
    tree = re.findall(r"^(│   )?[├└]── (\S+)", (ROOT / "docs/develop/files.md").read_text(encoding="utf-8"), re.M)
    package, folder, parts = ROOT / "src/hiersrec", "", set()
    for inside, name in tree:
        if not inside:
            folder = name
            parts.add(name)
        path = package / (folder + name if inside else name)
        assert path.exists(), f"docs/develop/files.md names {path}, which does not exist"
    existing = {
        path.name + "/" * path.is_dir() for path in package.iterdir() if path.is_file() or any(path.glob("*.*"))
    }
    existing.discard("__pycache__/")
    assert parts >= existing - {"py.typed"}


def test_install_lines_are_the_one_of_the_messages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    before, after = shlex.split(INSTALL)[-1].split("{extra}")
    texts = [
        *PAGES,
        *LOG,
        *ROOT.glob("*.md"),
        *ROOT.glob("src/**/*.py"),
        *ROOT.glob("src/**/*.html"),
        ROOT / "CITATION.cff",
    ]
    named = set()
    for path in texts:
        for line in re.findall(r"pip install ([^`\n#]*)", path.read_text(encoding="utf-8")):
            for word in line.split():
                word = word.rstrip(".;,)").strip("'\"")
                assert not re.match(r"hiersrec\b(?!.*\.whl)", word), f"{path.name}: hiersrec is on no registry: {line}"
                if word.startswith(before):
                    assert word.endswith(after), f"{path.name}: {line}"
                    named |= set(word.removeprefix(before).removesuffix(after).split(","))
    assert named - {"{extra}"} == set(extras), "an extra that no page shows, or a page that shows one that is gone"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) < 6144
