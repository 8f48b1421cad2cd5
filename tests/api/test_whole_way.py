"""The whole way in Python, from frames of every library: the same folders and numbers as from the command line."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

import hiersrec as hr
from hiersrec.errors import BadFolder, BadInput, BadRecipe, UnknownName
from tests.cli.conftest import run_here
from tests.shop import TINY, write_shop

pytestmark = pytest.mark.slow

SETTINGS = {**{setting.split("=")[0]: int(setting.split("=")[1]) for setting in TINY}, "training.epochs": 2}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def by_command(shop) -> Path:
    """A dataset folder, an evaluated run and its metrics, made by the command line."""
    words = ("--items", shop / "items.csv", "--split", "last-days:5")
    assert run_here("prepare", shop / "events.csv", *words, "--out", shop / "data").code == 0
    sets = [word for place, value in SETTINGS.items() for word in ("--set", f"{place}={value}")]
    assert run_here("train", shop / "data", "--recipe", "hiersrec", *sets, "--out", shop / "run").code == 0
    assert run_here("evaluate", shop / "run").code == 0
    return shop


def tables(shop: Path, library: str) -> list[object]:
    """Events and items as frames of a library."""
    paths = [shop / "events.csv", shop / "items.csv"]
    if library == "pandas":
        return [pd.read_csv(path) for path in paths]
    if library == "polars":
        return [pl.read_csv(path) for path in paths]
    if library == "duckdb":
        return [duckdb.read_csv(str(path)) for path in paths]
    if library == "paths":
        return [str(path) for path in paths]
    return [pyarrow.csv.read_csv(path) for path in paths]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset folder but its seal."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "dataset.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def facts(document: dict[str, object]) -> dict[str, object]:
    """What a dataset.json says, but when and from which files it was made."""
    return {
        name: value for name, value in document.items() if name not in ("created", "sources", "seal_sha256", "name")
    }


def metrics(document: dict[str, object]) -> dict[str, object]:
    return {name: document[name] for name in ("metrics", "slices", "options")}


@pytest.mark.parametrize("library", ["paths", "pandas", "polars", "pyarrow", "duckdb"])
def test_frames_give_the_same_bytes_and_numbers_as_the_command_line(library, by_command) -> None:
    events, items = tables(by_command, library)

    dataset = hr.prepare(events, items, split="last-days:5", progress=False)
    run = hr.train(dataset, "hiersrec", overrides=SETTINGS, progress=False)
    report = run.evaluate(progress=False)

    assert contents(dataset.folder) == contents(by_command / "data")
    expected = json.loads((by_command / "data" / "dataset.json").read_text())
    assert facts(dataset.document) == facts(expected)
    assert metrics(report.to_dict()) == metrics(json.loads((by_command / "run" / "metrics.json").read_text()))
    assert (run.folder / "model.safetensors").read_bytes() == (by_command / "run" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def run(by_command) -> hr.Run:
    return hr.Run.open(by_command / "run")


def test_objects_say_what_they_are(by_command, run) -> None:
    dataset = hr.Dataset.open(by_command / "data")

    assert repr(dataset).startswith(f"Dataset 'data' in {by_command / 'data'}: 12 items, 2 category levels; ")
    assert "training sessions" in dataset._repr_html_()
    assert repr(run).startswith(f"Run of hiersrec on data in {by_command / 'run'}: ")
    assert "best epoch" in repr(run)
    assert run._repr_html_().count("<tr>") == 1 + len(run.history)
    assert repr(run.recommender) == f"Recommender of 12 items, from a run in {by_command / 'run'}"
    report = run.evaluate(progress=False)
    assert "@20" in repr(report)
    assert all(line == line.rstrip() for line in repr(report).splitlines())
    assert "<table>" in report._repr_html_()
    assert "Slices, for slices(name): prefix_length, " in repr(report)
    assert report.slices("target_in_prefix")["slice"] == ["yes", "no"]
    with pytest.raises(UnknownName, match=r"no slice 'cold_strt'. Did you mean 'cold_start'\?"):
        report.slices("cold_strt")
    assert "Estimated memory for training best" in repr(hr.describe(dataset))


def test_in_a_notebook_text_is_returned_and_not_shown(run, monkeypatch, capsys) -> None:
    expected = repr(hr.Report(json.loads((run.folder / "metrics.json").read_text())))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)

    report = run.evaluate()  # tells its progress

    assert repr(report).splitlines()[1:4] == expected.splitlines()[1:4] != []
    assert capsys.readouterr().out == ""


def test_a_report_is_a_dict_and_a_frame(run) -> None:
    report = run.evaluate(progress=False)

    assert report.to_dict() == json.loads((run.folder / "metrics.json").read_text())
    frame = report.to_frame("polars")
    assert frame["task"].to_list() == ["item", "category_1", "category_2"]
    assert frame["mrr@20"][0] == report.metrics["mrr@20"]
    assert frame["hits@20"][2] == report.metrics["category_2/hits@20"]


def test_recommendations_are_a_list_a_table_and_a_frame(run) -> None:
    answers = run.recommend([["i0", "i1"], ["i7"]], k=3)

    assert [item.item_id for item in answers[0].items] == [row["item_id"] for row in answers.to_dicts()[0]["items"]]
    table = answers.to_arrow()
    assert table.column_names == ["session_id", "rank", "item_id", "title", "score", "source"]
    assert table["session_id"].to_pylist() == [0, 0, 0, 1, 1, 1]
    assert table["rank"].to_pylist() == [1, 2, 3] * 2
    assert answers.to_frame("pandas")["item_id"].tolist() == table["item_id"].to_pylist()
    assert repr(answers).splitlines()[0] == "Answers to 2 sessions"
    assert answers._repr_html_().count("<tr>") == 7


def test_reasons_are_columns_that_sum_to_the_scores(run) -> None:
    answers = run.recommend([["i0", "i1"], ["i7"]], k=3, explain=True)

    reasons = pd.DataFrame(answers.reasons())
    sums = reasons.groupby(["session_id", "rank"], sort=True)["value"].sum()
    np.testing.assert_allclose(sums, answers.to_frame("pandas")["score"], rtol=1e-4, atol=1e-4)
    assert set(reasons["reason"]) >= {"session", "category_1"}
    with pytest.raises(BadInput, match=r"no reasons. Ask for them with recommend\(..., explain=True\)"):
        run.recommend([["i0"]], k=3).reasons()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_sessions_come_as_frames_too(make, run) -> None:
    expected = run.recommend([["i7"], ["i0", "i1"]], k=3)

    events = {"session_id": ["y", "x", "x"], "item_id": ["i7", "i1", "i0"], "timestamp": [1, 9, 5]}
    answers = run.recommend(make(events), k=3)
    assert answers == expected
    assert answers.columns()["session_id"] == ["y", "y", "y", "x", "x", "x"]

    lists = run.recommend(make({"session_id": [4, 5], "items": [["i7"], ["i0", "i1"]]}), k=3)
    assert lists == expected
    assert lists.session_ids == [4, 5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["a"]}, "needs the columns session_id and item_id.*got item_id"),
        (
            {"session_id": [1], "item_id": pa.nulls(1, pa.string())},
            "Column 'item_id' of the frame of sessions has nulls",
        ),
    ],
)
def test_a_frame_of_another_layout_is_refused(columns, message, run) -> None:
    with pytest.raises(BadInput, match=message):
        run.recommend(pa.table(columns))


def test_new_items_come_as_a_frame(by_command, tmp_path) -> None:
    data = hr.prepare(*tables(by_command, "polars"), split="last-days:5", progress=False)
    settings = {**SETTINGS, "encoder.heads": 2, "training.epochs": 1}
    run = hr.train(data, "cold_start", overrides=settings, progress=False)
    new = pd.DataFrame(
        {"item_id": ["brand new"], "title": ["Thing 0"], "category_1": ["Fruit"], "category_2": ["Fruit 0"]}
    )

    larger = run.add_items(new, progress=False)

    assert larger.document["added_items"] == 1
    listed = larger.recommend([["i0"]], k=20).columns()["item_id"]
    assert "brand new" in listed
    assert "brand new" not in run.recommend([["i0"]], k=20).columns()["item_id"]
    kept = run.add_items(pl.from_pandas(new), out=tmp_path / "larger", progress=False)
    assert kept.recommend([["i0"]], k=20).columns() == larger.recommend([["i0"]], k=20).columns()


def test_a_run_is_exported_and_compared(by_command, run, tmp_path) -> None:
    bundle = run.export(tmp_path / "bundle", progress=False)
    assert (
        bundle.recommend([["i0", "i1"]], k=3).columns()["item_id"]
        == run.recommend([["i0", "i1"]], k=3).columns()["item_id"]
    )

    popular = hr.train(by_command / "data", "popularity", progress=False)
    means = [evaluated.evaluate(progress=False).metrics["mrr@20"] for evaluated in (run, popular)]
    comparison = hr.compare([run, popular], metrics=["mrr@20"], bootstrap=200, progress=False)
    frame = comparison.to_frame("pandas")
    assert frame["system"].tolist() == ["hiersrec", "popularity"]
    np.testing.assert_allclose(frame["mean"], means)
    assert "popularity" in repr(comparison)


def test_settings_are_searched(by_command, tmp_path) -> None:
    recipe = tmp_path / "few.toml"
    recipe.write_text('base = "any/cooccurrence"\n[search]\n"baseline.itself" = [0.0, 1.0]\n')

    search = hr.tune(by_command / "data", recipe, trials=2, progress=False)

    assert search.best.is_file()
    assert sorted(search.to_frame("pandas")["baseline.itself"]) == [0.0, 1.0]
    assert "few on data, validation sessions" in repr(search)
    run = hr.train(by_command / "data", search.best, progress=False)
    assert run.recipe.baseline == hr.recipe(search.best).baseline


def test_temporary_folders_go_with_their_objects(shop) -> None:
    dataset = hr.prepare(*tables(shop, "paths"), split="last-days:5", progress=False)
    run = hr.train(dataset, "popularity", progress=False)
    data, folder = dataset.folder, run.folder

    del dataset
    assert data.is_dir(), "the run is evaluated on it"
    run.evaluate(progress=False)
    del run
    assert not folder.exists()
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"events": 7}, BadInput, "events must be the path of a file or folder, or a frame .* got a int"),
        ({"events": pd.DataFrame({"a": [1]}), "split": "random:0.1"}, BadInput, r"^events\.parquet"),
        ({}, BadInput, "No events are given"),
        ({"events": "nowhere.csv", "split": "random:0.1"}, BadInput, "There is no file or folder at nowhere.csv"),
    ],
)
def test_mistakes_in_prepare_are_one_error_and_leave_nothing(arguments, error, message, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(error, match=message):
        hr.prepare(**arguments, progress=False)

    assert list(tmp_path.iterdir()) == []


def test_mistakes_in_train(by_command, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BadRecipe, match=r"\[training\] epochs: .*integer"):
        hr.train(by_command / "data", "hiersrec", overrides={"training.epochs": "three"}, progress=False)
    with pytest.raises(BadRecipe, match=r"training\.epochs must be a number"):
        hr.train(by_command / "data", "hiersrec", overrides={"training.epochs": object()}, progress=False)
    with pytest.raises(BadFolder, match="There is no dataset folder at"):
        hr.train(tmp_path / "nothing", progress=False)
    with pytest.raises(BadInput, match="Name the run folder with out"):
        hr.train(by_command / "data", resume=True, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_is_an_object_whose_settings_change() -> None:
    recipe = hr.recipe("best", {"training.epochs": 3})
    assert recipe.training.epochs == 3
    changed = hr.recipe(recipe, {"training.seed": 7})
    assert (changed.training.epochs, changed.training.seed) == (3, 7)
    assert hr.recipe(changed) is changed
