"""Searches as a whole: what they leave behind, that a kill changes nothing, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hiersrec.api.tune import Search
from hiersrec.build import open_run
from hiersrec.errors import BadFolder, BadInput, BadRecipe, UnknownName
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.recipe_file import RECIPES, find_recipe, read_recipe
from hiersrec.store.dataset import Dataset
from hiersrec.store.lock import only_writer
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.tuning import sampler, study
from hiersrec.tuning.study import tune
from hiersrec.tuning.trial import Outcome
from hiersrec.writing.tables import Table
from tests.model.world import TINY
from tests.training.test_loop import Listening, Stop, Stopping

pytestmark = pytest.mark.slow

COUNTED = RECIPES / "any" / "cooccurrence.toml"
MODEL = """
base = "any/hiersrec"
[search]
encoder.heads = [2, 3, 4]
training.learning_rate = { low = 1e-3, high = 1e-1, log = true }
"""
QUICK = [*TINY[:3], "inputs.dropout=0.0", "encoder.layers=1", "encoder.max_length=10", "tasks.category.weight=0.3"]
QUICK += ["training.epochs=2", "training.batch_size=64", "training.precision=float32"]


def without_seconds(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "trials": [{**trial, "seconds": 0} for trial in document["trials"]]}


def stored(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "trials.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def model(recipe) -> Path:
    """A tiny model of width 20: three heads don't divide it."""
    return recipe(MODEL + "[encoder]\nheads = 2\n")


@pytest.fixture(scope="module")
def counted(dataset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("searches") / "counted"
    tune(dataset, COUNTED, [], out, SilentReporter(), trials=5)
    return out


def test_what_a_search_leaves_behind(dataset, counted, tmp_path) -> None:
    document = stored(counted)
    trials, best = document["trials"], document["best"]

    assert {path.name for path in counted.iterdir()} == {"trials.json", "recipe.toml", "best.toml", "trials"}
    assert [trial["number"] for trial in trials] == [1, 2, 3, 4, 5]
    assert {trial["state"] for trial in trials} == {"finished"}
    assert trials[0]["settings"] == {"baseline.itself": 1.0, "baseline.window": 20}
    assert set(trials[0]["versions"]) == {"hiersrec", "optuna", "torch", "numpy"}
    assert trials[best - 1]["valid"]["mrr@20"] == max(trial["valid"]["mrr@20"] for trial in trials)
    assert document["gain"]["hits@20"] == trials[best - 1]["valid"]["hits@20"] - trials[0]["valid"]["hits@20"]
    assert (document["study"]["seed"], document["study"]["recipe"]["baseline"]["window"]) == (0, 20)
    assert [(counted / "trials" / str(n) / "model.safetensors").is_file() for n in range(1, 6)] == [
        n == best for n in range(1, 6)
    ]
    best_recipe = read_recipe(counted / "best.toml")
    assert best_recipe == open_run(counted / "trials" / str(best)).recipe
    train(dataset, best_recipe, tmp_path / "run", SilentReporter())


def test_the_same_seed_gives_the_same_search_and_another_one_does_not(dataset, counted, tmp_path) -> None:
    same = tune(dataset, COUNTED, [], tmp_path / "same", SilentReporter(), trials=5)
    other = tune(dataset, COUNTED, [], tmp_path / "other", SilentReporter(), trials=5, seed=1)

    assert without_seconds(same) == without_seconds(stored(counted))
    assert other["trials"][0]["valid"] == same["trials"][0]["valid"]
    assert [trial["settings"] for trial in other["trials"][1:]] != [trial["settings"] for trial in same["trials"][1:]]


def test_the_test_split_is_never_opened(dataset, counted, tmp_path) -> None:
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "data"))
    without = Dataset.open(folder)
    shutil.rmtree(folder / "test")

    document = tune(without, COUNTED, [], tmp_path / "out", SilentReporter(), trials=5)

    assert without_seconds(document) == without_seconds(stored(counted))


def test_more_trials_go_on_where_fewer_ended(dataset, counted, tmp_path) -> None:
    for trials in (1, 3, 2, 5):
        document = tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), trials=trials)

    assert without_seconds(document) == without_seconds(stored(counted))


def test_a_search_of_a_model_that_is_killed_ends_as_one_that_was_not(dataset, model, tmp_path) -> None:
    """Each attempt is killed a little later; a bad combination is recorded with its reason, and the search goes on."""
    alone = tune(dataset, model, QUICK, tmp_path / "alone", SilentReporter(), trials=4)
    out = tmp_path / "out"
    kills = 0
    while kills < 20:
        try:
            document = tune(dataset, model, QUICK, out, Stopping(3 + 3 * kills), trials=4)
            break
        except Stop:
            kills += 1
            states = [trial["state"] for trial in stored(out)["trials"]]
            assert states.count("running") == 1

    assert kills >= 2
    assert without_seconds(document) == without_seconds(alone)
    failed = [trial for trial in document["trials"] if trial["state"] == "failed"]
    assert [trial["settings"]["encoder.heads"] for trial in failed] == [3] * len(failed)
    assert all("heads must divide the input width 20, got 3" in trial["reason"] for trial in failed)
    assert 0 < len(failed) < 4
    assert [trial["epochs"] for trial in document["trials"]] == [
        0 if trial in failed else 2 for trial in document["trials"]
    ]
    assert open_run(out / "trials" / str(document["best"])).document["best"]["valid_mrr@20"] == max(
        trial["valid"]["mrr@20"] for trial in document["trials"] if trial["valid"]
    )
    assert not list(out.rglob("state"))


OTHERS = [
    ({"seed": 1}, "another seed: see"),
    ({"overrides": ["baseline.itself=0.1"]}, "another recipe and search: see"),
    ({"path": RECIPES / "wikispeedia" / "cooccurrence.toml"}, "another recipe: see"),
]


@pytest.mark.parametrize(("change", "message"), OTHERS)
def test_a_search_goes_on_with_its_own_settings_only(dataset, counted, change, message) -> None:
    before = stored(counted)
    arguments = {"path": COUNTED, "overrides": [], "seed": 0, **change}

    with pytest.raises(
        BadFolder, match=rf"has a search with {message} .*trials\.json\. Continue with the same command"
    ):
        tune(
            dataset,
            arguments["path"],
            arguments["overrides"],
            counted,
            SilentReporter(),
            trials=6,
            seed=arguments["seed"],
        )

    assert stored(counted) == before


@pytest.mark.parametrize("name", ["valid/items.npy", "catalog/items.parquet", "train/offsets.npy"])
def test_a_search_goes_on_with_its_own_dataset_only(dataset, counted, name) -> None:
    document = json.loads(json.dumps(dataset.document))
    document["files"][name]["sha256"] = "0" * 64

    with pytest.raises(BadFolder, match="has a search with another dataset"):
        tune(Dataset(dataset.folder, document), COUNTED, [], counted, SilentReporter(), trials=6)


def test_a_folder_of_something_else_or_a_damaged_one_is_left_alone(dataset, counted, tmp_path) -> None:
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")
    damaged = Path(shutil.copytree(counted, tmp_path / "damaged"))
    (damaged / "trials.json").write_text("{", encoding="utf-8")
    newer = Path(shutil.copytree(counted, tmp_path / "newer"))
    (newer / "trials.json").write_text(json.dumps({**stored(counted), "format_version": 99}), encoding="utf-8")

    for out in (tmp_path, tmp_path / "letters.txt"):
        with pytest.raises(
            BadFolder, match=r"exists and is not a search \(it has no trials\.json\)\. Choose another --out"
        ):
            tune(dataset, COUNTED, [], out, SilentReporter())
    with pytest.raises(BadFolder, match=r"trials\.json is damaged .* Choose another --out"):
        tune(dataset, COUNTED, [], damaged, SilentReporter())
    with pytest.raises(BadFolder, match="has format version 99; this hiersrec reads up to 1"):
        tune(dataset, COUNTED, [], newer, SilentReporter())


def test_a_kill_while_the_first_file_was_written_is_no_obstacle(dataset, tmp_path) -> None:
    (tmp_path / ".trials.json.1.part").write_text("{", encoding="utf-8")

    tune(dataset, COUNTED, [], tmp_path, SilentReporter(), trials=1)

    assert not (tmp_path / ".trials.json.1.part").exists()


def test_a_kill_before_the_first_trial_is_no_obstacle(dataset, counted, tmp_path, monkeypatch) -> None:
    def stop(*_: object) -> None:
        raise Stop

    monkeypatch.setattr(study, "_search", stop)
    with pytest.raises(Stop):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), trials=5)
    monkeypatch.undo()
    document = tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), trials=5)

    assert without_seconds(document) == without_seconds(stored(counted))


def test_a_search_whose_trials_all_fail_is_an_error(dataset, model, tmp_path) -> None:
    path = model.with_name("odd.toml")
    path.write_text(MODEL.replace("[2, 3, 4]", "[3, 6, 7]") + "[encoder]\nheads = 3\n", encoding="utf-8")

    for _ in range(2):
        with pytest.raises(BadRecipe, match=r"All 2 trials failed, the first because: .*heads must divide.* Fix the r"):
            tune(dataset, path, QUICK, tmp_path / "out", SilentReporter(), trials=2)


def test_a_fault_that_is_not_of_the_settings_ends_the_search(dataset, tmp_path, monkeypatch) -> None:
    def run(*_: object) -> Outcome:
        raise BadFolder("the disk is gone")

    monkeypatch.setattr(study.trial, "run", run)
    with pytest.raises(BadFolder, match="the disk is gone"):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter())

    assert [trial["state"] for trial in stored(tmp_path / "out")["trials"]] == ["running"]


def test_nothing_is_written_for_a_wrong_call(dataset, recipe, tmp_path) -> None:
    wrong = recipe('base = "any/cooccurrence"\n[search]\nbaseline.window = [20, 0]\n')

    with pytest.raises(BadRecipe, match=r"\[search\] baseline\.window = 0"):
        tune(dataset, wrong, [], tmp_path / "out", SilentReporter())
    with pytest.raises(BadInput, match="--trials must be at least 1, got 0"):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), trials=0)
    with pytest.raises(BadInput, match="--seed must be at least 0, got -1"):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), seed=-1)

    assert not (tmp_path / "out").exists()


def test_it_tells_of_all_trials_and_of_the_end_of_the_space(dataset, recipe, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sampler, "ATTEMPTS", 20)
    path = recipe('base = "any/cooccurrence"\n[search]\n"baseline.itself" = [0.0, 1.0]\n')
    reporter = Listening()

    document = tune(dataset, path, ["baseline.window=20"], tmp_path / "out", reporter, trials=7)
    tune(dataset, path, ["baseline.window=20"], tmp_path / "out", reporter, trials=7)

    assert len(document["trials"]) == 2
    assert reporter.said[0] == "tune: trial 1 of 7: baseline.itself 1"
    assert reporter.said[1] == "trial 1/7: train: fitting cooccurrence"
    assert reporter.said[3].startswith("tune: trial 1 of 7: validation MRR@20 0.")
    assert "; best 0." in reporter.said[3]
    assert reporter.said[3].endswith(" s left")
    assert ("trial 2/7: validation", reporter.titles[-1][1]) in reporter.titles
    ends = [
        line
        for line in reporter.said
        if "proposals in a row repeat earlier trials: the search ends after 2 tri" in line
    ]
    assert len(ends) == 2
    assert "tune: resuming after 2 of 7 trials" in reporter.said


def test_it_tells_what_takes_no_part(dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        study.trial, "run", lambda *_: Outcome(valid={"mrr@20": 0.5, "hits@20": 0.5}, epochs=1, seconds=1, curve=[0.5])
    )
    reporter = Listening()

    document = tune(dataset, RECIPES / "any" / "single_task.toml", [], tmp_path / "out", reporter, trials=3)

    assert reporter.said[0] == "tune: skipping [search] tasks.category.weight: the recipe has no such setting"
    assert document["best"] == 1, "of equal trials the first, which is the unchanged recipe"


def test_a_search_has_one_writer(dataset, tmp_path) -> None:
    with only_writer(tmp_path / "out"), pytest.raises(BadFolder, match="Another process is writing"):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter())

    assert list(tmp_path.iterdir()) == []


def test_another_metric_is_searched_for_recorded_and_kept(dataset, counted, tmp_path) -> None:
    usual = stored(counted)
    assert "metric" not in usual["study"]
    assert set(usual["trials"][0]["valid"]) == {"mrr@20", "hits@20"}

    document = tune(dataset, COUNTED, [], tmp_path / "gini", SilentReporter(), trials=5, metric="gini@3")

    assert document["study"]["metric"] == "gini@3"
    values = {trial["number"]: trial["valid"]["gini@3"] for trial in document["trials"]}
    assert values[document["best"]] == min(values.values()) < max(values.values())
    assert document["gain"]["gini@3"] == values[document["best"]] - values[1]
    assert set(document["gain"]) == {"gini@3", "mrr@20", "hits@20"}
    shown = Search(document, tmp_path / "gini")
    table = next(part for part in shown.parts() if isinstance(part, Table))
    assert table.headings[3:6] == ("gini@3", "mrr@20", "hits@20")
    assert table.rows[0][0] == str(document["best"])
    with pytest.raises(BadFolder, match="a search with another metric"):
        tune(dataset, COUNTED, [], tmp_path / "gini", SilentReporter(), trials=5)


def test_a_training_is_measured_at_its_best_epoch(dataset, model, tmp_path) -> None:
    document = tune(dataset, model, QUICK, tmp_path / "out", SilentReporter(), trials=1, metric="category_1/ndcg@5")

    trained = open_run(tmp_path / "out" / "trials" / "1")
    options = EvaluationOptions(k=5, metrics=("ndcg",))
    expected = evaluate(trained.scorer, dataset.catalog, dataset.sessions("valid"), options).metrics
    assert document["trials"][0]["valid"]["category_1/ndcg@5"] == expected["category_1/ndcg@5"]


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        ("ndcg", BadInput, "--metric is a name and k, such as ndcg@10 or category_1/mrr@20, got 'ndcg'"),
        ("ndgc@10", UnknownName, "Did you mean 'ndcg'"),
        ("popularity_lift@10", BadInput, "neither higher nor lower values are better"),
        ("category_1/novelty@10", BadInput, "novelty is of lists of items. Leave out category_1/"),
        ("category_9/mrr@10", UnknownName, "there is no task 'category_9'. Did you mean 'category_"),
        ("category_1/mrr@10", BadInput, "this recipe does not predict category_1. Choose another metric."),
        ("vector_diversity@10", BadInput, "can't be computed: this run compares no item vectors"),
    ],
)
def test_metrics_that_can_not_be_searched_for(dataset, tmp_path, metric, error, message) -> None:
    with pytest.raises(error, match=message):
        tune(dataset, COUNTED, [], tmp_path / "out", SilentReporter(), trials=5, metric=metric)


def test_a_task_that_the_recipe_does_not_predict_is_refused_before_a_training(dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study.trial, "run", lambda *_: pytest.fail("a trial has begun"))
    recipe = find_recipe("single_task", "toy")

    with pytest.raises(BadInput, match="--metric category_1/mrr@10: this recipe does not predict category_1"):
        tune(dataset, recipe, [], tmp_path / "out", SilentReporter(), metric="category_1/mrr@10")

    assert not (tmp_path / "out").exists()
