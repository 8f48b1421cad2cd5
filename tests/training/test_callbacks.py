"""Callbacks hear of a training's start, steps, epochs and end, each once, and can't change what is trained."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hiersrec.config import Recipe
from hiersrec.errors import BadFolder, MissingExtra, UnknownName
from hiersrec.recipe_file import find_recipe, read_recipe, settings_of
from hiersrec.store.dataset import Dataset
from hiersrec.training import loop
from hiersrec.training.callbacks import Callback, CallbackGroup, TrainingStart, flat_metrics, loggers_of
from hiersrec.training.distributed import single_process
from hiersrec.training.fit import train
from hiersrec.training.loggers.csv import CsvLogger
from hiersrec.training.progress import SilentReporter
from tests.training.test_fit import recipe
from tests.training.test_loop import Stop

pytestmark = pytest.mark.slow


class Recorder(Callback):
    """Keeps every event; raises Stop in `stop_at`, such as ("step", 3)."""

    def __init__(self, stop_at: tuple[Any, ...] = ()) -> None:
        self.stop_at, self.events = stop_at, []
        self.run: TrainingStart
        self.metrics: dict[tuple[Any, ...], dict[str, float]] = {}

    def on_start(self, run: TrainingStart) -> None:
        self.run = run
        self.record(("start",))

    def on_step(self, step: int, metrics: dict[str, float]) -> None:
        self.record(("step", step), metrics)

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self.record(("epoch", epoch), metrics)

    def on_end(self, metrics: dict[str, float]) -> None:
        self.record(("end",), metrics)

    def close(self) -> None:
        self.record(("close",))

    def record(self, event: tuple[Any, ...], metrics: dict[str, float] | None = None) -> None:
        self.events.append(event)
        self.metrics[event] = dict(metrics or {})
        if metrics:
            metrics.clear()  # it is the callback's own
        if event == self.stop_at:
            raise Stop


def recorded(dataset: Dataset, recipe: Recipe, out: Path, **options: Any) -> Recorder:
    recorder = Recorder()
    train(dataset, recipe, out, SilentReporter(), callbacks=[recorder], **options)
    return recorder


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.endswith("_s")}


@pytest.fixture(scope="module")
def whole(dataset, tmp_path_factory) -> Recorder:
    """A training of two epochs that nothing stopped."""
    return recorded(dataset, recipe(), tmp_path_factory.mktemp("whole") / "run")


def test_events_come_in_order_and_once(whole) -> None:
    steps = whole.run.steps_per_epoch

    assert steps > 1
    assert whole.events == [
        ("start",),
        *[("step", step) for step in range(1, steps + 1)],
        ("epoch", 1),
        *[("step", step) for step in range(steps + 1, 2 * steps + 1)],
        ("epoch", 2),
        ("end",),
        ("close",),
    ]


def test_the_start_says_what_is_trained(dataset, whole) -> None:
    document = json.loads((whole.run.out / "run.json").read_text(encoding="utf-8"))

    assert whole.run.settings == settings_of(recipe())
    assert (whole.run.recipe, whole.run.dataset, whole.run.fingerprint) == ("hiersrec", "toy", dataset.fingerprint)
    assert (whole.run.epochs, whole.run.epoch, whole.run.step) == (2, 0, 0)
    assert whole.run.parameters == document["parameters"]
    assert whole.run.state.parent == whole.run.out
    assert not whole.run.state.exists(), "the state is removed at the end"


def test_the_metrics_are_those_of_the_history(whole) -> None:
    lines = (whole.run.out / "history.jsonl").read_text(encoding="utf-8").splitlines()
    steps = whole.run.steps_per_epoch

    for epoch, record in enumerate(map(json.loads, lines), start=1):
        metrics = whole.metrics["epoch", epoch]
        assert metrics.pop("examples_per_s") == record["examples_per_s"]
        assert metrics["loss/item"] == record["loss"]["item"]
        assert metrics["valid/mrr@20"] == record["valid"]["mrr@20"]
        assert metrics["valid/category_1/mrr@20"] == record["valid"]["category_1/mrr@20"]
        of_epoch = range((epoch - 1) * steps + 1, epoch * steps + 1)
        batches = [whole.metrics["step", step]["loss/item"] for step in of_epoch]
        assert min(batches) < metrics["loss/item"] < max(batches)
    rates = [whole.metrics["step", step]["learning_rate"] for step in (1, 2 * steps)]
    assert rates[0] == recipe().training.learning_rate
    assert 0 < rates[1] < rates[0]
    assert whole.metrics["step", 1]["examples_per_s"] > 0
    best = max((whole.metrics["epoch", epoch]["valid/mrr@20"], -epoch) for epoch in (1, 2))
    assert whole.metrics["end",] == {"best/epoch": -best[1], "best/valid/mrr@20": best[0]}


def test_callbacks_change_nothing(dataset, whole, tmp_path) -> None:
    train(dataset, recipe(), tmp_path / "run", SilentReporter())

    weights = [(out / "model.safetensors").read_bytes() for out in (whole.run.out, tmp_path / "run")]
    assert weights[0] == weights[1]


class Ending(Callback):
    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> bool:
        return epoch == 1 and "valid/mrr@20" in metrics


def test_a_callback_may_end_the_training_after_an_epoch(dataset, whole, tmp_path) -> None:
    after = Recorder()

    train(dataset, recipe(), tmp_path / "run", SilentReporter(), callbacks=[Ending(), after])

    steps = whole.run.steps_per_epoch
    assert after.events == [
        event
        for event in whole.events
        if event not in {("epoch", 2)} and event[-1] not in range(steps + 1, 2 * steps + 1)
    ]
    assert after.metrics["end",] == {"best/epoch": 1, "best/valid/mrr@20": after.metrics["epoch", 1]["valid/mrr@20"]}
    assert len((tmp_path / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("stop_at", [("start",), ("step", 1), ("step", 4), ("epoch", 1), ("epoch", 2)])
@pytest.mark.parametrize("save_every", [-1.0, 60.0])
def test_a_resumed_training_starts_after_its_checkpoint_and_reports_equal_losses(
    dataset, whole, tmp_path, monkeypatch, stop_at, save_every
) -> None:
    """An error of a callback ends the training, at which the checkpoint before the event is the last one."""
    monkeypatch.setattr(loop, "SAVE_EVERY", save_every)
    stopped, after = Recorder(stop_at), Recorder()
    with pytest.raises(Stop):
        train(dataset, recipe(), tmp_path / "run", SilentReporter(), callbacks=[stopped, after])

    resumed = recorded(dataset, recipe(), tmp_path / "run", resume=True)

    assert stopped.events[-2:] == ([stop_at, ("close",)] if stop_at != ("start",) else [("start",)])
    assert after.events[-1:] == ([("close",)] if stop_at != ("start",) else [])
    before = [event for event in whole.events if event[0] in ("step", "epoch")]
    kept = [event for event in before if event[1] <= getattr(resumed.run, event[0])]
    again = [event for event in resumed.events if event[0] in ("step", "epoch")]
    assert kept + again == before
    assert set(kept) < {*stopped.events, ("start",)}
    for event in again:
        assert timeless(resumed.metrics[event]) == timeless(whole.metrics[event])
    assert resumed.metrics["end",] == whole.metrics["end",]


def test_a_baseline_that_counts_has_a_start_and_an_end(dataset, tmp_path) -> None:
    counted = read_recipe(find_recipe("popularity", "toy"))

    recorder = recorded(dataset, counted, tmp_path / "run")

    assert recorder.events == [("start",), ("end",), ("close",)]
    assert recorder.metrics["end",] == {}
    assert (recorder.run.epochs, recorder.run.steps_per_epoch) == (0, 0)


def test_a_refit_has_no_validation(dataset, tmp_path) -> None:
    recorder = recorded(dataset, recipe("training.refit=true", "training.epochs=1"), tmp_path / "run")

    assert recorder.metrics["end",] == {"best/epoch": 1.0}
    assert not any(name.startswith("valid") for name in recorder.metrics["epoch", 1])


def test_the_run_is_complete_when_it_ends(dataset, tmp_path) -> None:
    with pytest.raises(Stop):
        train(
            dataset,
            read_recipe(find_recipe("popularity", "toy")),
            tmp_path / "run",
            SilentReporter(),
            callbacks=[Recorder(("end",))],
        )

    assert (tmp_path / "run" / "run.json").is_file()


def test_of_several_processes_only_the_first_calls_callbacks(dataset, tmp_path) -> None:
    second = dataclasses.replace(single_process(), rank=1)
    recorder = Recorder()

    with pytest.raises(BadFolder, match="There is no run folder"):  # which the first process would have written
        train(dataset, recipe(), tmp_path / "run", SilentReporter(), processes=second, callbacks=[recorder])

    assert recorder.events == []


def test_all_are_closed_even_if_one_of_them_fails() -> None:
    run = TrainingStart(Path("run"), Path("run/state"), "mine", {}, "shop", "00", 1)
    recorders = [Recorder(), Recorder(("close",)), Recorder()]
    group = CallbackGroup(recorders, run)
    group.start()

    with pytest.raises(Stop):
        group.close()

    assert [recorder.events for recorder in recorders] == [[("start",), ("close",)]] * 3


def test_records_become_flat() -> None:
    record = {"loss": {"item": 7.0}, "valid": {"category_1/mrr@20": 0.5}, "train_s": 2}

    assert flat_metrics(record) == {"loss/item": 7.0, "valid/category_1/mrr@20": 0.5, "train_s": 2.0}


def test_loggers_are_named_with_or_without_a_target(tmp_path) -> None:
    plain, other = loggers_of(["csv", "csv=logs", "csv"], tmp_path / "run")

    assert isinstance(plain, CsvLogger)
    assert isinstance(other, CsvLogger)
    assert (plain.folder, other.folder) == (None, Path("logs/run"))


def test_an_unknown_logger() -> None:
    with pytest.raises(UnknownName, match=r"No 'tensorbord' in .*/loggers/\. Did you mean 'tensorboard'\? Known: "):
        loggers_of(["csv", "tensorbord=x"], Path("run"))


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_a_package_that_is_not_installed(name, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingExtra, match=rf"needs the package '{name}', which .*pip install '\.\[{name}\]'"):
        loggers_of([name], Path("run"))
