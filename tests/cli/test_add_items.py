import json
from pathlib import Path

import pytest

from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.shop import TINY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cold(prepared, tmp_path_factory) -> Path:
    """A run that can take new items."""
    settings = [*TINY, "tasks.item.vectors=id+metadata", "inputs.id_dropout=0.2", "training.epochs=1"]
    recipe = read_recipe(find_recipe("hiersrec", "shop"), settings)
    out = tmp_path_factory.mktemp("cold") / "run"
    train(Dataset.open(prepared[0]), recipe, out, SilentReporter())
    return out


@pytest.fixture
def new_items(tmp_path):
    """The items that the shop's test sessions have and training never saw."""
    rows = [f"new{n},New {n},Fruit,Fruit 0" for n in range(100, 120)]
    path = tmp_path / "new.csv"
    path.write_text("\n".join(["item_id,title,category_1,category_2", *rows]) + "\n", encoding="utf-8")
    return path


def test_from_a_run_to_a_larger_one_that_is_measured_and_served(hiersrec, cold, new_items, tmp_path) -> None:
    before = json.loads(hiersrec("evaluate", cold, "--json").out)
    result = hiersrec("add-items", cold, "--items", new_items, "--out", tmp_path / "larger")

    assert result.code == 0, result.err
    assert f"Run folder: {tmp_path / 'larger'}" in result.out
    assert "20 new items; 0 rows are of known items, and skipped" in result.err
    after = json.loads(hiersrec("evaluate", tmp_path / "larger", "--json").out)
    assert after["metrics"]["prefixes"] == before["metrics"]["prefixes"]
    assert after["metrics"]["unseen_targets"] < before["metrics"]["unseen_targets"]
    answer = json.loads(hiersrec("recommend", tmp_path / "larger", "--session", "new100,i1", "--json").out)[0]
    assert answer["unknown_ids"] == []
    assert hiersrec("recommend", tmp_path / "larger", "--session", "new100", "--explain").code == 0


def test_json_is_the_seal_of_the_new_run(hiersrec, cold, new_items, tmp_path) -> None:
    result = hiersrec("add-items", cold, "--items", new_items, "--out", tmp_path / "larger", "--json")

    document = json.loads(result.out)
    assert document == json.loads((tmp_path / "larger" / "run.json").read_text(encoding="utf-8"))
    assert document["added_items"] == 20


def test_mistakes_are_one_line(hiersrec, run, cold, new_items, tmp_path) -> None:
    wrong_model = hiersrec("add-items", run, "--items", new_items, "--out", tmp_path / "out")
    no_file = hiersrec("add-items", cold, "--items", tmp_path / "none.csv", "--out", tmp_path / "out")
    no_run = hiersrec("add-items", tmp_path / "none", "--items", new_items, "--out", tmp_path / "out")

    for result, message in (
        (wrong_model, "Train with --recipe best"),
        (no_file, "There is no file or folder at"),
        (no_run, "There is no run folder at"),
    ):
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
