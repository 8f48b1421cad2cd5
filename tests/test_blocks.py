"""Every command and every Python example of the README and of docs/ runs, or says in front of it why it does not.

A block in a fence without a language is commands, and one of "python" is Python; what is neither has another
language, such as "text". A comment `<!-- not run: REASON -->` in the line before a fence, which no reader sees,
leaves that block out. The blocks of a page run one after another, as a reader would, in a folder that has what he has
by then: two CSV files, a dataset, runs and a bundle. Trainings are smaller than the page says.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hiersrec as hr
from tests.cli.conftest import run_here
from tests.shop import write_shop

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in ROOT.glob("docs/**/*.md") if path.parent.name != "log")]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\n\Z")
COMMAND = re.compile(r"^ {4}(?:\S+=\S+ )*(?:hiersrec [a-z]|pip |make |python3? |curl |docker |torchrun )", re.MULTILINE)

SMALL = ("training.epochs=1", "inputs.item_width=8", "inputs.category_width=4", "inputs.metadata_width=4")
COUNTED = ("popularity", "cooccurrence")
"""Recipes that have no training to make smaller."""
BEFORE = (
    "hiersrec prepare events.csv --items items.csv --out data/shop --split last-days:7",
    "hiersrec train data/shop --out runs/shop",
    "hiersrec evaluate runs/shop",
    "hiersrec train data/shop --recipe cooccurrence --out runs/cooccurrence",
    "hiersrec evaluate runs/cooccurrence",
    "hiersrec export runs/shop --out bundles/shop",
)
"""What a reader has typed before he reads any page; where a page says it again, it is not repeated."""
ELSEWHERE = {
    ("pip", "install"): "tests/test_docs.py compares these lines, and tests/test_distribution.py installs",
    ("hiersrec", "serve"): "it serves until it is stopped; tests/cli and tests/http start it",
}
"""First words of commands that are not run here, and what tests them."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks of a page that are to be run."""
    text = page.read_text(encoding="utf-8")
    fences = [fence for fence in FENCE.finditer(text) if not NOT_RUN.search(text[: fence.start()])]
    return [(fence[2], fence[3]) for fence in fences if fence[2] in ("", "python")]


@pytest.mark.slow
@pytest.mark.usefixtures("short_tree")
def test_all_blocks_run(tmp_path, monkeypatch) -> None:
    reader = write_files(tmp_path / "reader")
    monkeypatch.chdir(reader)
    for command in BEFORE:
        follow(command)
    shutil.copytree("runs/shop", "runs/may")

    for page in PAGES:
        if found := blocks(page):
            folder = tmp_path / page.relative_to(ROOT)
            shutil.copytree(reader, folder)
            monkeypatch.chdir(folder)
            names: dict[str, Any] = {"hr": hr, "run": hr.Run.open("runs/shop")}
            for language, block in found:
                run_python(block, names) if language else run_commands(block)


def write_files(folder: Path) -> Path:
    """The reader's own files."""
    write_shop(folder)
    for table in ("events.csv", "items.csv"):
        text = (folder / table).read_text(encoding="utf-8")
        for name, instead in (("Fruit", "Home"), ("Tools 0", "Chairs"), ("Tools", "Garden")):
            text = text.replace(name, instead)
        (folder / table).write_text(text, encoding="utf-8")
    (folder / "new.csv").write_text("item_id,title,category_1,category_2\nnew1,Thing,Garden,Chairs\n", encoding="utf-8")
    (folder / "sold-out.txt").write_text("i3\n", encoding="utf-8")
    (folder / "my.toml").write_text('base = "any/best"\n\n[tasks.item]\nsmoothing = 0.1\n', encoding="utf-8")
    events = pd.read_csv(folder / "events.csv")
    events.tail(40).to_parquet(folder / "sessions.parquet")
    events.rename(columns={"session_id": "user_id"}).to_csv(folder / "ratings.csv", index=False)
    return folder


def run_python(block: str, names: dict[str, Any]) -> None:
    """Run a block of Python with what the blocks before it named."""
    for out in re.findall(r'out="([^"]+)"', block):
        remove(Path(out))
    exec(block, names)  # noqa: S102 - the repository's own text


def run_commands(block: str) -> None:
    """Run a block of commands, but for those that were typed before."""
    for line in block.replace("\\\n", " ").splitlines():
        for command in line.split(" && "):
            if shlex.join(shlex.split(command, comments=True)) not in BEFORE:
                follow(command)


def follow(command: str) -> None:
    """Run one command; a training with the small settings."""
    words = shlex.split(command, comments=True)
    if not words or tuple(words[:2]) in ELSEWHERE:
        return
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return
    assert words[0] == "hiersrec", f"neither run here nor marked: {command}"
    out, recipe = value_of("--out", words), value_of("--recipe", words)
    if out:
        remove(Path(out))
    if words[1] in ("train", "tune") and recipe not in COUNTED:
        words += [word for setting in SMALL for word in ("--set", setting)]
    if words[1] == "tune":
        words += ["--trials", "1"]
    result = run_here(*words[1:])
    assert result.code == 0, f"{command}\n{result.err}"


def value_of(option: str, words: list[str]) -> str:
    """What an option of a command is given; empty if it is not there."""
    return words[words.index(option) + 1] if option in words else ""


def remove(out: Path) -> None:
    """The reader has no such folder, or file, yet."""
    if out.is_dir():
        shutil.rmtree(out)
    out.unlink(missing_ok=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_stand_in_fences_and_reasons_before_them(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    marked = [fence for fence in FENCE.finditer(text) if NOT_RUN.search(text[: fence.start()])]

    assert COMMAND.findall(FENCE.sub("", text)) == []
    assert text.count("<!-- not run") == len(marked), "a mark stands in the line before a fence, and has a reason"
