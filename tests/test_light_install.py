"""A bundle is served without the packages that training needs: as in an install of the extra serve only."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hiersrec.errors import EXTRAS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

ABSENT = {*EXTRAS["train"], *EXTRAS["export"], "pandas"} - {"pydantic", "annotated_types"}  # FastAPI has these two

WITHOUT = f"""
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_without(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process in which those packages can't be imported."""
    return subprocess.run([sys.executable, "-c", WITHOUT + code, *arguments], capture_output=True, text=True)


def test_a_bundle_answers(toy_bundle) -> None:
    done = run_without(
        "from hiersrec import Recommender\n"
        "answer = Recommender.load(sys.argv[1]).recommend([['a0', 'b0']], 3, explain=True, exclude_seen=True)[0]\n"
        "assert answer.guesses and answer.items[0].reasons\n"
        "print(len(answer.items))",
        str(toy_bundle),
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_the_command_line_answers(toy_bundle) -> None:
    command = "from hiersrec.cli.app import main; main()"
    done = run_without(command, "recommend", str(toy_bundle), "--session", "a0,b0", "--k", "3")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Next items" in done.stdout


def test_the_service_can_be_imported() -> None:
    done = run_without("import hiersrec.http.server, hiersrec.http.app")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "data", "--out", "run"),
        ("prepare", "events.csv", "--out", "data"),
        ("evaluate", "RUN"),
        ("recommend", "RUN", "--session", "a0"),
        ("export", "RUN", "--out", "bundle"),
        ("demo",),
    ],
)
def test_what_needs_more_says_how_to_install_it(arguments, toy_run, tmp_path) -> None:
    asked = [str(toy_run) if one == "RUN" else one for one in arguments]
    done = run_without(f"import os; os.chdir({str(tmp_path)!r}); from hiersrec.cli.app import main; main()", *asked)

    assert done.returncode == 2
    assert done.stderr.startswith("Error: This needs the package '")
    assert done.stderr.endswith("run: pip install '.[train]'\n")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_run_folder_can_be_loaded_only_with_what_trained_it(toy_run) -> None:
    done = run_without(
        "from hiersrec import Recommender\n"
        "from hiersrec.errors import MissingExtra\n"
        "try:\n    Recommender.load(sys.argv[1])\n"
        "except MissingExtra as error:\n    print(error)",
        str(toy_run),
    )

    assert "pip install '.[train]'" in done.stdout


def test_the_extras_that_messages_name_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert set(EXTRAS) <= set(project["optional-dependencies"])
    assert {one.partition(">")[0] for one in project["dependencies"]} == {"numpy", "rich", "typer"}
