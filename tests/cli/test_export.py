"""`hiersrec export` as people type it."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hiersrec.cli.app import app
from hiersrec.errors import BadInput
from hiersrec.retrieval.candidates import Candidates
from tests.bundles import known_graph

pytestmark = pytest.mark.slow


def test_export_then_recommend(toy_run, toy_bundle, tmp_path) -> None:
    out = tmp_path / "bundle"
    with known_graph(toy_bundle):
        done = CliRunner().invoke(
            app, ["export", str(toy_run), "--out", str(out), "--share", "0.3", "--slabs", "int8", "--json"]
        )

    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["candidates"] == {"policy": "category", "top": None, "share": 0.3, "mass": None}
    assert document["slabs"] == "int8"
    assert "export: compare with the model on" in done.stderr

    recommended = CliRunner().invoke(app, ["recommend", str(out), "--session", "a0,b1", "--k", "2", "--json"])
    [answer] = json.loads(recommended.stdout)
    assert len(answer["items"]) == 2
    assert answer["candidates"] == 24  # one department of two, more than the share, and the fewest possible


def test_it_says_where_it_is_and_what_comes_next(toy_run, toy_bundle, tmp_path, monkeypatch) -> None:
    out, asked = tmp_path / "bundle", []

    def copied(run: Path, out: Path, _: object, **options: object) -> None:
        asked.append(((run, out), options))
        shutil.copytree(toy_bundle, out)  # a graph is slow to make

    monkeypatch.setattr("hiersrec.export_run.export", copied)
    wide = {"COLUMNS": "300"}  # so that no path is on a line of its own
    done = CliRunner(env=wide).invoke(app, ["export", str(toy_run), "--out", str(out), "--top", "2"])

    [(folders, options)] = asked
    assert folders == (toy_run, out)
    assert options["candidates"] == Candidates(policy="category", top=2)

    assert done.stdout.startswith(f"Bundle: {out}\nNext: hiersrec recommend {out}")


def test_top_and_share_together(toy_run, tmp_path) -> None:
    with pytest.raises(BadInput, match=r"need one of top.* share.*; got top and share"):
        CliRunner().invoke(
            app,
            ["export", str(toy_run), "--out", str(tmp_path / "b"), "--top", "2", "--share", "0.1"],
            catch_exceptions=False,
        )
