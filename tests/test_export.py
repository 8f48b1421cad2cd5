"""A run folder becomes a bundle that gives the same lists, or it is said why not and nothing is left."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hiersrec import Candidates, Recommender
from hiersrec import export as _export_part  # the part of that name, not the function
from hiersrec.build import RECIPE
from hiersrec.config import find_recipe, read_recipe
from hiersrec.errors import BadFolder, BadInput, BadRecipe, HiersrecError
from hiersrec.export import export
from hiersrec.retrieval.candidates import ALL
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.watch import Silent
from tests.bundles import SMALL, exported, tiny_run
from tests.toy import item_id, walks

SESSIONS = [[item_id(item) for item in one] for one in walks(40, 7)]
"""One or more items, up to 8."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory) -> Path:
    return exported(run, tmp_path_factory.mktemp("bundle") / "bundle", Candidates(policy="category", top=2))


def document(bundle: Path) -> dict:
    return json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "candidates", [ALL, Candidates(policy="category", top=2), Candidates(policy="category", share=0.3)]
)
@pytest.mark.parametrize("options", [{}, {"explain": True}, {"exclude_seen": True, "per_category": 2, "deny": ["a0"]}])
def test_run_and_bundle_answer_alike(run, bundle, candidates, options) -> None:
    sessions = [*SESSIONS, [], ["unknown"], [*SESSIONS[0], "unknown", *SESSIONS[1], *SESSIONS[2]]]

    ours, theirs = (
        Recommender.load(one).recommend(sessions, 10, candidates=candidates, **options) for one in (bundle, run)
    )

    for found, expected in zip(ours, theirs, strict=True):
        assert_alike(found.to_dict(), expected.to_dict())


def assert_alike(ours: object, theirs: object) -> None:
    """Equal but for the last digits of float32."""
    if isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key, one in theirs.items():
            assert_alike(ours[key], one)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_alike(one, other)
    else:
        assert ours == theirs


def test_bundle_json_says_what_it_is(bundle) -> None:
    found = document(bundle)

    assert (found["kind"], found["recipe"], found["dataset"], found["num_items"]) == ("bundle", "hiersrec", "toy", 48)
    assert (found["max_length"], found["query_width"], found["slabs"]) == (10, 16, "float32")
    assert found["tasks"] == ["category_1", "category_2"]
    assert found["reads"] == [{"task": "category_1", "as": "probs"}, {"task": "category_2", "as": "probs"}]
    assert found["candidates"] == {"policy": "category", "top": 2, "share": None}
    assert found["checked"]["from"] == "validation sessions of toy"
    assert found["checked"]["difference"] < 1e-4
    assert len(found["model_version"]) == 12
    assert set(found["files"]) == {
        path.relative_to(bundle).as_posix()
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "bundle.json"
    }


def test_without_the_dataset_random_sessions_do(run, tmp_path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(run, alone)
    sealed = json.loads((alone / "run.json").read_text())
    sealed["dataset"]["path"] = str(tmp_path / "gone")
    (alone / "run.json").write_text(json.dumps(sealed))
    said: list[str] = []

    found = export(alone, tmp_path / "bundle", said.append, slabs="int8", int8_encoder=True)

    assert found["checked"]["from"] == "random sessions"
    assert found["encoder"] == "encoder.int8.onnx"
    assert not (tmp_path / "bundle" / "encoder.onnx").exists()
    assert found["checked"]["int8"]["overlap"] >= 0.8
    assert 0 < found["checked"]["int8"]["difference"] < 1
    assert any("lists of 20 stay" in one for one in said)
    answers = Recommender.load(tmp_path / "bundle").recommend(SESSIONS, 5)
    full = Recommender.load(run).recommend(SESSIONS, 5)
    same = [one.items[0].item_id == other.items[0].item_id for one, other in zip(answers, full, strict=True)]
    assert sum(same) > 0.8 * len(same)


def test_another_dataset_is_refused(run, tmp_path) -> None:
    other = tmp_path / "data"
    shutil.copytree(run.parent / "data", other)
    sealed = json.loads((other / "dataset.json").read_text())
    sealed["files"]["catalog/items.parquet"]["sha256"] = "0" * 64
    (other / "dataset.json").write_text(json.dumps(sealed))

    with pytest.raises(
        BadInput, match=r"data has other items than .* was trained on \(toy\).* with --data, or leave --data out\."
    ):
        export(run, tmp_path / "bundle", lambda _: None, data=other)

    assert not (tmp_path / "bundle").exists()


def test_a_graph_that_differs_is_not_put_in_place(run, tmp_path, monkeypatch) -> None:
    true = _export_part.exported.input_vectors
    monkeypatch.setattr(_export_part.exported, "input_vectors", lambda model: np.roll(true(model), 1, axis=0))

    with pytest.raises(HiersrecError, match=r"The exported graph differs from the model by .*, at most 0\.0001"):
        export(run, tmp_path / "bundle", lambda _: None)

    assert list(tmp_path.iterdir()) == []


def test_bytes_that_change_the_lists_are_not_put_in_place(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_export_part, "LEAST_OVERLAP", 1.01)

    with pytest.raises(HiersrecError, match=r"With bytes the encoder keeps .* of the lists of 20.* without --int8\."):
        export(run, tmp_path / "bundle", lambda _: None, int8_encoder=True)

    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_is_replaced_only_when_asked_to(run, bundle, tmp_path) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    with pytest.raises(BadFolder, match=r"exists already\. Choose another --out, or replace it with --overwrite\."):
        export(run, tmp_path / "bundle", lambda _: None)

    before = document(bundle)
    after = export(
        run, tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="category", top=2), overwrite=True
    )

    assert after["model_version"] == before["model_version"], "the same run gives the same bytes"


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("popularity", (), r"holds popularity, a rival, .* Serve the run folder itself, through Recommender\.load\."),
        ("hiersrec", ("tasks.item.softmax=coarse_to_fine",), r'has .* softmax = "coarse_to_fine", whose scores are no'),
    ],
)
def test_what_has_no_export(run, tmp_path, recipe, settings, message) -> None:
    made = read_recipe(find_recipe(recipe, "toy"), [*SMALL, "training.epochs=1", *settings] if settings else [])
    train(Dataset.open(run.parent / "data"), made, tmp_path / "run", Silent())

    with pytest.raises(BadRecipe, match=message):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None)


def test_a_task_that_reads_the_items_has_no_export(run, tmp_path) -> None:
    text = (run / RECIPE).read_text(encoding="utf-8")
    category, item = text.index('[[tasks]]\nname = "category"'), text.index('[[tasks]]\nname = "item"')
    end = text.index("[training]")
    category_table = text[category:item].replace("reads = []", 'reads = ["item"]')
    item_table = text[item:end].replace('reads = [\n    "category_*",\n]', "reads = []")
    (tmp_path / "recipe.toml").write_text(text[:category] + item_table + category_table + text[end:], encoding="utf-8")
    train(Dataset.open(run.parent / "data"), read_recipe(tmp_path / "recipe.toml"), tmp_path / "run", Silent())

    with pytest.raises(BadRecipe, match="the task 'category_1' reads 'item', the scores of all items"):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None)


def test_candidates_that_it_cannot_give(run, tmp_path) -> None:
    with pytest.raises(BadInput, match=r"Random candidates are for `hiersrec evaluate`"):
        export(run, tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="random", top=1))

    made = read_recipe(find_recipe("single_task", "toy"), [*SMALL, "training.epochs=1"])
    train(Dataset.open(run.parent / "data"), made, tmp_path / "run", Silent())
    with pytest.raises(BadInput, match=r"Candidates by category need predicted categories, and this run predicts none"):
        export(tmp_path / "run", tmp_path / "bundle", lambda _: None, candidates=Candidates(policy="category", top=1))
