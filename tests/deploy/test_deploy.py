"""The files in deploy/ and the Dockerfile: their linters find nothing, and what they name exists."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from hiersrec.cli.app import app
from hiersrec.http import accepting, supervisor, worker
from hiersrec.http.metrics import Metrics

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/hiersrec.service"
BINARIES = f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin"


def _unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # directives have capitals
    parser.read(UNIT, encoding="utf-8")
    return parser


def test_the_unit_calls_serve_with_options_that_it_has_and_waits_long_enough() -> None:
    unit = _unit()["Service"]
    command = shlex.split(unit["ExecStart"])
    options = {option for parameter in get_command(app).commands["serve"].params for option in parameter.opts}

    assert command[1] == "serve"
    assert {word for word in command if word.startswith("--")} <= options
    assert worker.DRAIN + worker.LAST_RELOAD < supervisor.LONGEST_STOP < int(unit["TimeoutStopSec"])
    assert int(unit["LimitNOFILE"]) >= accepting.MOST_CONNECTIONS + accepting.OTHER_FILES


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    copy = tmp_path / UNIT.name  # with a program that is there, as it looks for it
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/hiersrec/bin/hiersrec", "/bin/true"))
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=BINARIES)
    if hadolint is None:
        pytest.skip("no hadolint here; `make setup` installs it")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_dashboard_asks_for_metrics_that_there_are_and_shows_all() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    metrics = Metrics()
    metrics.request("/", 200, 1.0)
    metrics.refused("slow")
    metrics.model("1")
    metrics.reload("ok")
    metrics._fallbacks.labels("popular").inc()
    text = metrics.text().decode()
    known = set(re.findall(r"^(hiersrec_\w+)", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (hiersrec_\w+) (\w+)", text, re.MULTILINE))

    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = set(re.findall(r"hiersrec_\w+", " ".join(expressions)))

    assert named <= known
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    assert shown == {name for name in kinds if not name.endswith("_created")}
    assert len({panel["title"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_manual_describes_every_metric() -> None:
    text = (ROOT / "docs/do/operate.md").read_text(encoding="utf-8")
    kinds = re.findall(r"^# TYPE (hiersrec_\w+) \w+", Metrics().text().decode(), re.MULTILINE)

    assert [name for name in kinds if not name.endswith("_created") and name not in text] == []
