"""Runs are trained once, resumed where they stopped, and refused if their settings differ from those of the call."""

import json
import shutil

import pytest

from hiersrec.errors import BadFolder
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.reproduction import _runs
from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._runs import complete, evaluated, folder_of, mean, recipe_of
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.dataset import Dataset
from hiersrec.training.progress import SilentReporter
from tests.toy import write_toy

pytestmark = pytest.mark.slow


class Listener(SilentReporter):
    """Remembers the news; stops everything when a stretch of that title begins."""

    def __init__(self, stop_at: str = "never") -> None:
        self.news: list[str] = []
        self.stop_at = stop_at

    def say(self, text: str) -> None:
        self.news.append(text)

    def start(self, title: str, total: int) -> None:
        del total
        if title.startswith(self.stop_at):
            raise KeyboardInterrupt


@pytest.fixture
def no_training(monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(_runs, "train", never)


def test_a_recipe_that_counts_has_one_run_and_one_that_learns_one_for_each_seed(make_bench) -> None:
    listener = Listener()
    bench = make_bench(listener, seeds=2)

    complete(bench, ["popularity", "single_task"])

    assert [line for line in listener.news if line.startswith("run ")] == [
        "run 1 of 3: popularity, seed 0",
        "run 2 of 3: single_task, seed 0",
        "run 3 of 3: single_task, seed 1",
    ]
    assert {path.name for path in (bench.out / "runs").iterdir()} == {"popularity-0", "single_task-0", "single_task-1"}
    weights = [(folder_of(bench, "single_task", seed) / "model.safetensors").read_bytes() for seed in (0, 1)]
    assert weights[0] != weights[1]
    each = [evaluated(bench, "single_task", seed)["metrics"]["mrr@20"] for seed in (0, 1)]
    assert mean(bench, "single_task", "mrr@20") == sum(each) / 2
    assert mean(bench, "single_task", "category_1/mrr@20") is None


def test_a_finished_run_is_used_again(make_bench, request) -> None:
    complete(make_bench(), ["popularity"])
    request.getfixturevalue("no_training")
    listener = Listener("evaluate")

    complete(make_bench(listener), ["popularity"])

    assert listener.news == ["run 1 of 1: popularity, seed 0, exists already"]


def test_a_run_that_was_not_evaluated_is(make_bench, request) -> None:
    with pytest.raises(KeyboardInterrupt):
        complete(make_bench(Listener("evaluate")), ["popularity"])
    request.getfixturevalue("no_training")

    complete(make_bench(), ["popularity"])

    assert (make_bench().out / "runs" / "popularity-0" / "metrics.json").is_file()


def test_an_interrupted_training_goes_on_and_ends_as_one_that_was_left_alone(make_bench, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        complete(make_bench(Listener("train: epoch 2")), ["single_task"])
    listener = Listener()
    alone = make_bench(out=tmp_path / "alone")

    complete(make_bench(listener), ["single_task"])
    complete(alone, ["single_task"])

    assert any("resumed at epoch 2" in line for line in listener.news)
    first, second = (folder_of(bench, "single_task") / "model.safetensors" for bench in (make_bench(), alone))
    assert first.read_bytes() == second.read_bytes()


def test_a_run_of_other_settings_is_refused_before_anything_is_trained(make_bench, request) -> None:
    complete(make_bench(), ["single_task"])
    request.getfixturevalue("no_training")

    with pytest.raises(BadFolder) as error:
        complete(make_bench(budget="full"), ["popularity", "single_task"])

    folder = make_bench().out / "runs" / "single_task-0"
    assert str(error.value) == (
        f"{folder} was made with other settings than those of this call: training.epochs is 3 there, 20 now. "
        "Remove that folder, or choose another --out."
    )


def test_the_settings_of_a_task_are_named_by_its_name(make_bench) -> None:
    bench = make_bench()
    complete(bench, ["multi_task"])
    path = folder_of(bench, "multi_task") / "recipe.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("weight = 0.3", "weight = 0.5"), encoding="utf-8")

    with pytest.raises(BadFolder, match=r"tasks\.category\.weight is 0\.5 there, 0\.3 now"):
        complete(bench, ["multi_task"])


def test_another_description_is_no_other_setting(make_bench, request) -> None:
    bench = make_bench()
    complete(bench, ["popularity"])
    path = folder_of(bench, "popularity") / "recipe.toml"
    text = path.read_text(encoding="utf-8").replace("The floor", "That was said before")
    path.write_text(text, encoding="utf-8")
    sealed = json.loads((path.parent / "run.json").read_text(encoding="utf-8"))
    sealed["files"]["recipe.toml"]["bytes"] = len(text.encode())
    del sealed["seal_sha256"]
    (path.parent / "run.json").write_text(json.dumps(sealed), encoding="utf-8")
    request.getfixturevalue("no_training")

    complete(bench, ["popularity"])


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_run_of_another_dataset_is_refused(make_bench, tmp_path, is_finished) -> None:
    complete(make_bench(), ["popularity"])
    if not is_finished:
        (folder_of(make_bench(), "popularity") / "run.json").unlink()
    other = write_toy(tmp_path / "other", sessions=20)
    settings = PrepareSettings(split=SplitSettings(method="random", value=0.3))
    prepare(Source("other", other / "events.csv", other / "items.csv"), other / "data", settings, say=lambda _: None)
    bench = Bench(Dataset.open(other / "data"), tmp_path, 1, "small", "", SilentReporter())

    with pytest.raises(BadFolder, match=r"popularity-0 was trained on other items than those of .*data\. Remove"):
        complete(bench, ["popularity"])


def test_the_budget_caps_and_never_raises(make_bench, monkeypatch) -> None:
    full, small = (recipe_of(make_bench(budget=budget), "hiersrec", 3).training for budget in ("full", "small"))

    assert (full.epochs, small.epochs) == (20, 3)
    assert (full.seed, small.seed) == (3, 3)
    monkeypatch.setitem(_runs.BUDGETS, "small", {"epochs": 30})
    assert recipe_of(make_bench(), "hiersrec").training.epochs == 20


def test_metrics_of_candidates_are_used_again(make_bench) -> None:
    bench = make_bench()
    complete(bench, ["last_category"])

    first = evaluated(bench, "last_category", candidates=Candidates(policy="category", top=1))
    again = evaluated(
        make_bench(Listener("evaluate")), "last_category", candidates=Candidates(policy="category", top=1)
    )

    assert again == first
    assert again["options"]["candidates"]["top"] == 1
    shutil.rmtree(bench.out / "runs")
