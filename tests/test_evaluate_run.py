"""A run whose catalogue has grown is measured with its new items; any other as it always was."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hiersrec import diversity_cost
from hiersrec import evaluate_run as door
from hiersrec.build import LoadedRun, open_run
from hiersrec.comparison.measured import read_measured
from hiersrec.errors import BadInput
from hiersrec.evaluation.choose_candidates import CandidateGoal
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset
from hiersrec.store.sessions import Sessions
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.types import Batch, Scores
from tests.evaluation.other_metrics import GAIN, registered
from tests.shop import write_shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    shop = write_shop(tmp_path_factory.mktemp("shop"))
    settings = PrepareSettings(split=SplitSettings(method="last_days", value=5, hold_out_items=0.2))
    prepare(Source("shop", shop / "events.csv", shop / "items.csv"), shop / "data", settings, say=lambda _: None)
    return Dataset.open(shop / "data")


@pytest.fixture(scope="module")
def run(dataset) -> Path:
    out = dataset.folder.parent / "run"
    train(dataset, read_recipe(find_recipe("popularity", "shop")), out, SilentReporter())
    return out


def grown(catalog: Catalog, ids: list[str]) -> Catalog:
    """The catalogue with new items at its end, all in the first category."""
    count = len(ids)
    new = pa.table(
        {
            "item_id": ids,
            "item": pa.array(catalog.num_items + 1 + np.arange(count), pa.int32()),
            "train_count": pa.array([0] * count, pa.int64()),
            "node_1": pa.array([1] * count, pa.int32()),
            "node_2": pa.array([1] * count, pa.int32()),
        }
    )
    return replace(catalog, items=pa.concat_tables([catalog.items, new], promote_options="default"))


class NewestFirst:
    """Scores that rise with the item's number: new items lead."""

    max_length = 5

    def __init__(self, catalog: Catalog) -> None:
        self.size = catalog.num_items + 1

    def score(self, batch: Batch) -> Scores:
        return Scores(np.tile(np.arange(self.size, dtype=np.float32), (len(batch), 1)), {})


def open_grown(folder: Path, ids: list[str]) -> LoadedRun:
    run = open_run(folder)
    catalog = grown(run.catalog, ids)
    return replace(run, catalog=catalog, scorer=NewestFirst(catalog))


def test_new_items_count_as_targets_and_in_prefixes(monkeypatch, dataset, run) -> None:
    unseen = dataset.unseen().to_pylist()
    added = unseen[::2]
    assert added != unseen
    monkeypatch.setattr(door, "open_run", lambda folder: open_grown(folder, [row["item_id"] for row in added]))

    document = door.evaluate_run(run)

    number = {row["item"]: dataset.catalog.num_items + offset for offset, row in enumerate(added, start=1)}
    stored = dataset.sessions("test")
    lists = [[number.get(item, item) for item in stored[session].tolist()] for session in range(len(stored))]
    catalog = grown(dataset.catalog, [row["item_id"] for row in added])
    expected = evaluate(NewestFirst(catalog), catalog, Sessions.from_lists(lists))
    assert document["metrics"] == expected.metrics
    assert document["slices"] == expected.slices
    before = sum(item < 0 for session in range(len(stored)) for item in stored[session][1:])
    assert 0 < document["metrics"]["unseen_targets"] < before
    assert 0 < document["metrics"]["random_within_category/hits@20"] <= 1
    cold = {row["slice"]: row for row in document["slices"]["cold_start"]}
    assert cold["target new"]["prefixes"] == before
    assert cold["target new"]["metrics"]["hits@20"] > 0


def test_the_cost_of_diversity_counts_new_items_too(monkeypatch, dataset, run) -> None:
    ids = dataset.unseen()["item_id"].to_pylist()
    monkeypatch.setattr(door, "open_run", lambda folder: open_grown(folder, ids))

    cost = diversity_cost(run, k=20, progress=False)

    measured = door.evaluate_run(run)["metrics"]
    assert measured["unseen_targets"] == 0
    assert cost.columns()["hits@20"][0] == pytest.approx(measured["hits@20"])


def test_a_run_that_has_not_grown_never_asks_for_the_ids(monkeypatch, dataset, run) -> None:
    def fail(_: Dataset) -> pa.Table:
        raise AssertionError

    monkeypatch.setattr(Dataset, "unseen", fail)

    document = door.evaluate_run(run)

    stored = np.asarray(dataset.sessions("test").items)
    first = np.asarray(dataset.sessions("test").offsets)[:-1]
    assert document["metrics"]["unseen_targets"] == (np.delete(stored, first) < 0).sum()
    assert not any(name.startswith("random_within") for name in document["metrics"])


def test_other_splits_have_no_new_items(monkeypatch, dataset, run) -> None:
    ids = dataset.unseen()["item_id"].to_pylist()
    monkeypatch.setattr(door, "open_run", lambda folder: open_grown(folder, ids))

    assert door.evaluate_run(run, split="valid")["metrics"]["unseen_targets"] == 0


@pytest.mark.usefixtures("short_tree")
def test_sessions_that_a_refit_was_trained_on_measure_and_choose_nothing(dataset, tmp_path) -> None:
    quick = ["inputs.item_width=8", "inputs.category_width=4", "inputs.metadata_width=4", "training.epochs=1"]
    recipe = read_recipe(find_recipe("best", "shop"), [*quick, "training.refit=true"])
    train(dataset, recipe, tmp_path / "run", SilentReporter())

    for choice in ({"split": "valid"}, {"goal": CandidateGoal(policy="category", share=0.5)}):
        with pytest.raises(BadInput, match=r"trained on the validation sessions too \(training\.refit\)"):
            door.evaluate_run(tmp_path / "run", **choice)
    assert door.evaluate_run(tmp_path / "run")["metrics"]["prefixes"] > 0


def test_a_dataset_with_other_types_of_events_is_refused(run, monkeypatch) -> None:
    """Codes of the dataset under the names of the run would be measured as if they fitted."""
    opened = open_run(run)
    other = replace(opened, catalog=replace(opened.catalog, event_types={"click": 3}))
    monkeypatch.setattr(door, "open_run", lambda _: other)

    with pytest.raises(BadInput, match=r"has the event types .*; .* was trained with click\. Name the folder"):
        door.evaluate_run(run)


def test_several_k_have_files_of_their_own_and_other_metrics_do_not(run, tmp_path) -> None:
    usual = door.evaluate_run(run)
    several = door.evaluate_run(run, options=EvaluationOptions(k=(10, 5, 20)))

    assert usual["options"] == {
        **{"k": 20, "last_only": False, "exclude_seen": False, "batch_size": 256},
        "candidates": {"policy": "all", "top": None, "share": None, "mass": None, "seed": 0},
    }
    assert several["options"] == {**usual["options"], "k": [5, 10, 20]}
    assert several["files"] == {"metrics": "metrics-k5-10-20.json", "ranks": "ranks-k5-10-20.parquet"}
    assert several == json.loads((run / "metrics-k5-10-20.json").read_text(encoding="utf-8"))
    assert several["metrics"].items() >= usual["metrics"].items()
    assert door.evaluate_run(run, options=EvaluationOptions(k=(20,)))["options"] == usual["options"]

    with registered(tmp_path, gain=GAIN):
        other = door.evaluate_run(run, options=EvaluationOptions(metrics=("mrr", "gain")))
        assert other["options"] == {**usual["options"], "metrics": ["mrr", "gain"]}
        assert other == json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        values, counts = read_measured(run).values("gain@20")
        assert values.mean() == pytest.approx(other["metrics"]["gain@20"])
        assert counts.all()
    assert read_measured(run).names()[:2] == ["mrr@20", "gain@20"]


def test_divided_sessions_have_one_target_each(tmp_path) -> None:
    """A dataset with the split leave-last: the numbers of `last_only`, in the files of the default options."""
    shop = write_shop(tmp_path)
    settings = PrepareSettings(split=SplitSettings(method="leave_last", value=1))
    prepare(Source("shop", shop / "events.csv", shop / "items.csv"), shop / "data", settings, say=lambda _: None)
    data = Dataset.open(shop / "data")
    out = tmp_path / "run"
    train(data, read_recipe(find_recipe("popularity", "shop")), out, SilentReporter())

    for split, name in (("test", "metrics.json"), ("valid", "metrics-valid.json")):
        by_default = door.evaluate_run(out, split=split)
        named = door.evaluate_run(out, split=split, options=EvaluationOptions(last_only=True))
        assert by_default["files"]["metrics"] == named["files"]["metrics"] == name
        assert by_default["options"]["last_only"]
        assert by_default["metrics"] == named["metrics"]
        assert (
            by_default["metrics"]["prefixes"] == len(data.sessions(split)) == data.document["split"][split]["sessions"]
        )

    assert not door.evaluate_run(out, split="train")["options"]["last_only"]
