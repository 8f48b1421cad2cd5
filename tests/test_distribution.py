"""What `make dist` builds, installed where there is nothing else: it answers, serves, stays small and has types."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hiersrec import __version__
from hiersrec.errors import EXTRAS, INSTALL
from tests.http.processes import Service, listen

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LIMIT = 200e6
"""Most bytes of what pip adds to a fresh environment; docs/start/install.md says the same."""


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, **options)


def succeed(*command: object, **options: object) -> str:
    """Standard output of a command that must succeed."""
    done = run(*command, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def steps(instruction: str) -> list[str]:
    """The arguments of all instructions of one kind in the Dockerfile."""
    return re.findall(rf"^{instruction} (.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The folder of a built sdist and of the wheel built from it, as `make dist` builds them."""
    out = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return out


@dataclass(frozen=True)
class Bare:
    """A fresh environment in which only the wheel was installed, by the line of the Dockerfile."""

    bin: Path
    before: int
    after: int

    @property
    def environment(self) -> dict[str, str]:
        """Of its commands: nothing of the environment that runs the tests."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.bin.parent), "OMP_NUM_THREADS": "1"}

    def hiersrec(self, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return run(self.bin / "hiersrec", *arguments, env=self.environment, cwd=self.bin.parent, **options)


def size(folder: Path) -> int:
    """Bytes of all files, also of compiled modules."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.fixture(scope="module")
def bare(dist, tmp_path_factory) -> Bare:
    context, folder = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("bare")
    for name in (ROOT / "constraints.txt", *dist.glob("*.whl")):
        (context / name.name).write_bytes(name.read_bytes())
    succeed(sys.executable, "-m", "venv", folder)
    before = size(folder)
    (install,) = (step for step in steps("RUN") if "pip install" in step)
    # The environment's own: a container has no settings of pip, but a machine may reach its registry only through them.
    succeed("sh", "-c", install, cwd=context, env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"})
    return Bare(folder / "bin", before, size(folder))


def test_the_sdist_has_the_tests_and_nothing_that_a_checkout_collects(dist) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = [name.partition("/")[2] for name in opened.getnames()]

    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= set(names)
    files = {
        "Makefile",
        "constraints.txt",
        "mkdocs.yml",
        "docs/start/install.md",
        "CITATION.cff",
        "SECURITY.md",
        "LICENSE",
    }
    assert files <= set(names)
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders <= {".ci", "benchmarks", "deploy", "docs", "examples", "src", "tests", "tools"}
    assert not [name for name in names if "__pycache__" in name]
    assert archive.stat().st_size < 5e6


def test_the_wheel_has_the_package_with_types_page_recipes_and_data(dist) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())

    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/hiersrec").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "hiersrec/py.typed" in package
    assert {name for name in names if ".dist-info/" not in name} == package


def test_a_registry_would_take_them(dist) -> None:
    said = succeed(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *dist.iterdir())

    assert said.count("PASSED") == 2


def test_the_light_install_is_small_and_brings_no_package_of_the_other_extras(bare) -> None:
    assert bare.after - bare.before < LIMIT, f"{(bare.after - bare.before) / 1e6:.0f} MB"
    others = {*EXTRAS["train"], *EXTRAS["export"]} - {"pydantic", "annotated_types"}  # FastAPI has these two
    code = f"import importlib.util as u; print([n for n in {sorted(others)} if u.find_spec(n)])"
    assert succeed(bare.bin / "python", "-c", code, env=bare.environment) == "[]\n"


def test_the_command_line_answers_there(bare, toy_bundle) -> None:
    assert bare.hiersrec("--version").stdout == f"hiersrec {__version__}\n"
    done = bare.hiersrec("recommend", toy_bundle, "--session", "a0,b0", "--k", "3", "--explain")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Next items" in done.stdout


def test_python_answers_there(bare, toy_bundle) -> None:
    code = (
        "import sys\n"
        "from hiersrec import Recommender\n"
        "answer = Recommender.load(sys.argv[1]).recommend([['a0', 'b0']], 3, explain=True, exclude_seen=True)[0]\n"
        "assert answer.guesses and answer.items[0].reasons\n"
        "print(len(answer.items))"
    )

    assert succeed(bare.bin / "python", "-c", code, toy_bundle, env=bare.environment) == "3\n"


@pytest.fixture
def service(bare, toy_bundle) -> Iterator[Service]:
    """The command of the Dockerfile, with another bundle and a free port."""
    (command,) = (json.loads(step) for step in steps("CMD"))
    words = [str(toy_bundle) if word == "/bundle" else word for word in command]
    with listen([bare.bin / words[0], *words[1:], "--port", "0"], bare.environment) as started:
        yield started


def test_the_container_s_command_answers_over_http_and_its_probe_agrees(bare, service) -> None:
    status, body = service.ask("POST", "/v1/recommend", {"session": ["a0", "b0"], "k": 3})
    (probe,) = (json.loads(step.partition("CMD ")[2]) for step in steps("HEALTHCHECK"))
    ready = [word.replace(":8000/", f":{service.port}/") for word in probe]

    assert status == 200
    assert len(json.loads(body)["items"]) == 3
    assert ready != probe
    succeed(bare.bin / ready[0], *ready[1:], env=bare.environment)
    unready = [word.replace(":8000/", f":{service.port}/missing/") for word in probe]
    assert run(bare.bin / unready[0], *unready[1:], env=bare.environment).returncode != 0


def test_what_needs_more_says_how_to_install_it(bare, toy_run) -> None:
    commands = (
        ("train", "data", "--out", "run"),
        ("prepare", "events.csv", "--out", "data"),
        ("evaluate", toy_run),
        ("recommend", toy_run, "--session", "a0"),
        ("export", toy_run, "--out", "bundle"),
        ("demo",),
    )
    for command in commands:
        done = bare.hiersrec(*command)

        assert done.returncode == 2
        assert done.stderr.startswith("Error: This needs the package '")
        assert INSTALL.format(extra="train") in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


SCRIPT = """
import hiersrec as hr
from hiersrec import Candidates, Recommender

recommender = Recommender.load("bundle")
[answer] = recommender.recommend([["a0", 1]], k=3, explain=True, candidates=Candidates(policy="category", top=2))
for item in answer.items:
    reveal_type(item.score)
recommender.recommend([["a0"]], k="three")

dataset = hr.prepare("events.csv", "items.csv", split="last-days:7", out="data")
run = hr.train(dataset, "best", out="run")
reveal_type(run.evaluate(k=10))
"""


def test_a_strict_type_checker_finds_the_types_of_the_installed_wheel(bare, tmp_path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    python = bare.bin / "python"
    options = ("--strict", "--config-file=", "--no-error-summary", "--no-color-output", "--python-executable", python)

    done = run(sys.executable, "-m", "mypy", *options, "script.py", cwd=tmp_path)

    assert done.stdout.splitlines() == [
        'script.py:8: note: Revealed type is "float"',
        'script.py:9: error: Argument "k" to "recommend" of "Recommender" has incompatible type "str"; expected "int"  '
        "[arg-type]",
        'script.py:13: note: Revealed type is "hiersrec.api.report.Report"',
    ]


def test_the_extras_that_messages_name_are_those_of_the_package() -> None:
    assert set(EXTRAS) <= set(PROJECT["optional-dependencies"])
    assert {one.partition(">")[0] for one in PROJECT["dependencies"]} == {"numpy", "rich", "typer"}


def test_the_citation_is_complete_and_has_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert set(citation) >= {"cff-version", "message", "title", "authors", "version", "license", "preferred-citation"}
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == __version__
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    paper = citation["preferred-citation"]
    assert set(paper) >= {"type", "title", "authors"}
    assert [author["family-names"] for author in paper["authors"]] == ["Oh", "Shalaby", "Afsharinejad", "Cui"]


def test_the_changelog_has_the_version() -> None:
    assert f"\n## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
