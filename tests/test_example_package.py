"""The package in examples/ is installed, used, and taken away again: in processes that have it, and in others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Result
from tests.toy import DEPARTMENTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "hiersrec-example"
RECORDS = [
    {
        "kind": kind,
        "name": name,
        "module": f"hiersrec_example.{name}",
        "distribution": "hiersrec-example",
        "version": "0.1.0",
    }
    for kind, name in (("encoders", "decay"), ("score_terms", "popularity_bonus"))
]
MISSING = "which is not installed. Run: pip install 'hiersrec-example==0.1.0'"


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """A folder in which pip has installed the package."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--quiet", "--target", folder, EXAMPLE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(*command: str | Path, site: Path | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A Python process, which has the package or not."""
    path = [str(ROOT / "src"), str(ROOT), *([str(site)] if site else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env, cwd=cwd, check=False)


def ok(*command: str | Path, site: Path | None = None) -> str:
    done = run(*command, site=site)
    assert done.returncode == 0, done.stderr
    return done.stdout


COMMANDS = """
import json, sys
from tests.cli.conftest import run_here
print(json.dumps([[done.code, done.out, done.err] for words in json.loads(sys.argv[1]) for done in [run_here(*words)]]))
"""


def commands(*lines: tuple[str | Path, ...], site: Path | None = None) -> list[Result]:
    """`hiersrec ...`, one after another in one process, as the start of each takes seconds."""
    return [Result(*each) for each in json.loads(ok("-c", COMMANDS, json.dumps(lines, default=str), site=site))]


SETTINGS = (
    *("inputs.item_width=16", "inputs.category_width=8", "inputs.metadata_width=8", "encoder.max_length=10"),
    *("training.batch_size=128", "training.learning_rate=1e-2", "training.precision=float32", "training.epochs=1"),
    "tasks.item.vectors=id+metadata",
)
TRAIN = f"""
import sys
from pathlib import Path
from hiersrec.add_items import add_items
from hiersrec.evaluate_run import evaluate_run
from tests import bundles

bundles.SMALL = []
folder = Path(sys.argv[1])
run = bundles.tiny_run(folder, "decay", {SETTINGS})
evaluate_run(run)
bundles.exported(run, folder / "bundle")
add_items(run, folder / "new.csv", folder / "larger", print)
"""
ANSWER = """
import json, sys
from hiersrec import Recommender
sessions = json.loads(sys.argv[2])
for folder in sys.argv[1].split(","):
    for answer in Recommender.load(folder).recommend(sessions, 5, explain=True):
        items = [[item.item_id, round(item.score, 3), [part.source for part in item.reasons]] for item in answer.items]
        print(json.dumps(items))
"""
SESSIONS = json.dumps([["a1", "b2"], ["c3"]])


@pytest.fixture(scope="session")
def folder(site, tmp_path_factory) -> Path:
    """data, run, bundle, larger (the run with new items)"""
    folder = tmp_path_factory.mktemp("example")
    (folder / "new.csv").write_text(f"item_id,category_1,category_2,title,colour\nnew,{DEPARTMENTS[0]},,new,red\n")
    ok("-c", TRAIN, folder, site=site)
    return folder


def test_list_shows_where_members_come_from(site) -> None:
    lists = json.loads(ok("-m", "hiersrec", "list", "--json", site=site))
    own = json.loads(ok("-m", "hiersrec", "list", "--json"))

    added = {kind: sorted(set(names) - set(own[kind])) for kind, names in lists.items() if names != own[kind]}
    assert added == {
        "encoders": ["decay"],
        "score_terms": ["popularity_bonus"],
        "baselines": ["markov"],
        "metrics": ["first_place"],
        "recipes": ["any/decay", "any/markov"],
    }
    assert lists["encoders"]["decay"]["from"] == "hiersrec-example 0.1.0"
    assert "Decay: the state after each item" in lists["encoders"]["decay"]["description"]
    assert "hiersrec-example 0.1.0" in ok("-m", "hiersrec", "list", "recipes", site=site)


def test_its_own_tests_pass(site, tmp_path) -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE / "tests", site=site, cwd=tmp_path)

    assert done.returncode == 0, done.stdout


def test_a_run_records_what_it_uses(folder) -> None:
    for run_folder in ("run", "larger"):
        assert json.loads((folder / run_folder / "run.json").read_text())["plugins"] == RECORDS
    assert json.loads((folder / "run" / "metrics.json").read_text())["metrics"]["mrr@20"] > 0


def test_it_opens_again_and_the_bundle_answers_alike_without_the_package(site, folder) -> None:
    with_package = ok("-c", ANSWER, f"{folder / 'run'},{folder / 'larger'}", SESSIONS, site=site).splitlines()
    bundle = ok("-c", ANSWER, folder / "bundle", SESSIONS).splitlines()

    assert len(with_package) == 4
    for of_run, of_bundle in zip(with_package, bundle, strict=False):
        for (item, score, sources), (other, near, reasons) in zip(
            json.loads(of_run), json.loads(of_bundle), strict=True
        ):
            assert (item, sources) == (other, reasons)
            assert score == pytest.approx(near, abs=2e-3)
            assert "popularity bonus" in sources


@pytest.fixture(scope="session")
def used(site, folder) -> list[Result]:
    """A warm start, and a baseline's training, evaluation and export."""
    settings = [each for setting in SETTINGS for each in ("--set", setting)]
    warm = ("train", folder / "data", "--recipe", "decay", "--init-from", folder / "run", "--out", folder / "warm")
    markov = folder / "markov"
    return commands(
        (*warm, *settings),
        ("train", folder / "data", "--recipe", "markov", "--out", markov),
        ("evaluate", markov, "--json", "--metrics", "first_place"),
        ("export", markov, "--out", folder / "none"),
        site=site,
    )


def test_a_warm_start(folder, used) -> None:
    assert used[0].code == 0, used[0].err
    assert json.loads((folder / "warm" / "run.json").read_text())["plugins"] == RECORDS


def test_its_baseline_trains_and_is_evaluated_and_has_no_export(used) -> None:
    _, trained, evaluated, export = used

    assert trained.code == evaluated.code == 0, trained.err + evaluated.err
    metrics = json.loads(evaluated.out)["metrics"]
    assert metrics["mrr@20"] >= metrics["first_place@20"] > 0.3
    assert export.code == 2
    assert "requires a recipe with [[tasks]], got the baseline 'markov'" in " ".join(export.err.split())


@pytest.mark.usefixtures("used")
def test_without_the_package_opening_says_what_to_install(folder) -> None:
    *of_decay, of_markov = commands(
        ("evaluate", folder / "run"),
        ("recommend", folder / "run", "--session", "a1"),
        ("export", folder / "run", "--out", "other"),
        ("evaluate", folder / "markov"),
    )

    for done in (*of_decay, of_markov):
        assert done.code == 2
        assert MISSING in " ".join(done.err.split())
    assert all("'decay' of encoders" in done.err for done in of_decay)


def test_an_import_of_hiersrec_reads_no_metadata(site) -> None:
    code = "import hiersrec, sys; print([name for name in ('torch', 'importlib.metadata') if name in sys.modules])"

    assert ok("-c", code, site=site) == "[]\n"
