"""The training loop: determinism, resuming after a stop, early stopping, the schedule, and its arguments."""

import dataclasses
import typing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from hiersrec import registry
from hiersrec.build import build_model
from hiersrec.config import Training
from hiersrec.errors import HiersrecError
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import ModelScorer
from hiersrec.model.targets import Targets
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import checkpoint, loop
from hiersrec.training.checkpoint import Progress
from hiersrec.training.progress import SilentReporter
from tests.model.world import recipe
from tests.toy import toy

pytestmark = pytest.mark.slow

DATA = toy(train=30, test=10).data
SETTINGS = Training(batch_size=32, learning_rate=1e-2, schedule="linear", epochs=3, patience=3, precision="float32")


def untrained(seed: int = 0, overrides: tuple[str, ...] = ()) -> HierarchicalModel:
    torch.manual_seed(seed)
    return build_model(recipe(*overrides), DATA.catalog)


def weights(of: HierarchicalModel) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in of.state_dict().items()}


class Stop(BaseException):
    """A kill, after which nothing is put in order."""


class Stopping(SilentReporter):
    """A reporter that ends the training at its step number `last`, counted over all epochs and validations."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self, done: int, note: str) -> None:
        del done, note
        self.left -= 1
        if self.left == 0:
            raise Stop


class Listening(SilentReporter):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.titles: list[tuple[str, int]] = []
        self.steps: list[tuple[int, str]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def start(self, title: str, total: int) -> None:
        self.titles.append((title, total))

    def step(self, done: int, note: str) -> None:
        self.steps.append((done, note))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path) -> None:
    trained_weights = []
    for run, seed in enumerate([0, 0, 1]):
        made = untrained(seed)
        loop.fit(made, DATA, dataclasses.replace(SETTINGS, seed=seed), tmp_path / str(run), SilentReporter())
        trained_weights.append(weights(made))

    assert trained_weights[0] == trained_weights[1]
    assert trained_weights[0] != trained_weights[2]


def test_a_long_training_tells_once_how_long_it_will_take(tmp_path, monkeypatch) -> None:
    told = {}
    for limit in (0.0, 1000.0):
        monkeypatch.setattr(loop, "TELL_AFTER", limit)
        reporter = Listening()
        loop.fit(untrained(), DATA, SETTINGS, tmp_path / str(limit), reporter)
        told[limit] = [line for line in reporter.said if "an epoch" in line]

    assert told[1000.0] == []
    [line] = told[0.0]
    assert line.endswith("for 3 epochs at most: it ends after 3 without a better validation MRR@20")
    assert loop.time_estimate(360, SETTINGS).startswith("about 6 minutes an epoch, 18 minutes for 3 epochs")
    refit = dataclasses.replace(SETTINGS, refit=True, epochs=50)
    assert loop.time_estimate(360, refit) == "about 6 minutes an epoch, 5.0 hours for 50 epochs"


VARIANTS = {
    "shared table": (),
    "own table": ("tasks.item.head=linear",),
    "drawn items, sparse tables": ("tasks.item.softmax=sampled", "tasks.item.negatives=8", "tasks.item.head=linear"),
    "sparse table": ("tasks.item.softmax=sampled", "tasks.item.negatives=8"),
    "random": ("tasks.category.weight=random", "tasks.item.injection_weight=random"),
    "trainable": ("tasks.category.weight=trainable", "tasks.item.injection_weight=trainable"),
}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request) -> tuple[str, ...]:
    return VARIANTS[request.param]


@pytest.fixture(scope="module")
def whole(variant, tmp_path_factory) -> tuple[HierarchicalModel, Progress, Path]:
    """A training of the variant that nothing stopped, which saves after each step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_EVERY", -1.0)
        trained, folder = untrained(overrides=variant), tmp_path_factory.mktemp("whole")
        return trained, loop.fit(trained, DATA, SETTINGS, folder, SilentReporter()), folder


@pytest.mark.parametrize("last", [1, 2, 5, 7, 13])
def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path, monkeypatch, whole, variant, last) -> None:
    """Stops in the first and second epoch and in a validation; random state, moments and sums go on as they were."""
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    trained, expected, folder = whole

    with pytest.raises(Stop):
        loop.fit(untrained(overrides=variant), DATA, SETTINGS, tmp_path / "stopped", Stopping(last))
    resumed = untrained(seed=99, overrides=variant) if last > 1 else untrained(overrides=variant)
    progress = loop.fit(resumed, DATA, SETTINGS, tmp_path / "stopped", SilentReporter())

    assert weights(resumed) == weights(trained)
    best = [(path / checkpoint.BEST).read_bytes() for path in (folder, tmp_path / "stopped")]
    assert best[0] == best[1]
    for record, whole_record in zip(progress.history, expected.history, strict=True):
        assert record["loss"] == whole_record["loss"]
        assert record["valid"] == whole_record["valid"]
        assert _moving(record) == _moving(whole_record)


def _moving(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in ("weight", "injection_weight") if key in record}


def test_a_stop_between_two_checkpoints_goes_back_to_the_last_one(tmp_path) -> None:
    """With the usual minute between checkpoints, a stop in epoch 2 goes on from the end of epoch 1."""
    whole = untrained()
    loop.fit(whole, DATA, SETTINGS, tmp_path / "whole", SilentReporter())
    with pytest.raises(Stop):
        loop.fit(untrained(), DATA, SETTINGS, tmp_path / "stopped", Stopping(9))
    reporter = Listening()

    resumed = untrained(seed=99)
    loop.fit(resumed, DATA, SETTINGS, tmp_path / "stopped", reporter)

    assert reporter.said[0].endswith("resumed at epoch 2")
    assert weights(resumed) == weights(whole)


def scripted(monkeypatch, scores: list[float]) -> list[dict[str, Tensor]]:
    """Let validation return these MRRs, one per epoch; the returned list fills with the weights at each."""
    seen: list[dict[str, Tensor]] = []

    def validation(scorer: ModelScorer, *_: Any, progress: Any, share: Any) -> SimpleNamespace:
        assert callable(progress)
        assert (share.rank, share.count) == (0, 1)
        seen.append({name: value.clone() for name, value in scorer.model.state_dict().items()})
        return SimpleNamespace(metrics={"mrr@20": scores[len(seen) - 1], "hits@20": 0.5})

    monkeypatch.setattr(loop, "evaluate", validation)
    return seen


@pytest.mark.parametrize(
    ("patience", "scores", "epochs", "best"),
    [
        (1, [0.1, 0.3, 0.2, 0.4], 3, 2),
        (2, [0.1, 0.3, 0.2, 0.2, 0.4], 4, 2),
        (2, [0.1, 0.3, 0.2, 0.4, 0.4, 0.4, 0.5], 6, 4),
        (3, [0.4, 0.1, 0.2, 0.3, 0.4, 0.5], 4, 1),
        (2, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6, 6),
        (1, [0.0, 0.0], 2, 1),
    ],
)
def test_it_stops_after_epochs_without_gain_and_keeps_the_best(
    tmp_path, monkeypatch, patience, scores, epochs, best
) -> None:
    seen = scripted(monkeypatch, scores)

    progress = loop.fit(
        untrained(), DATA, dataclasses.replace(SETTINGS, epochs=6, patience=patience), tmp_path, SilentReporter()
    )

    assert (len(seen), progress.epoch, progress.best_epoch, progress.best) == (epochs, epochs, best, scores[best - 1])
    assert [record["valid"]["mrr@20"] for record in progress.history] == scores[:epochs]
    stored = safetensors.torch.load_file(tmp_path / checkpoint.BEST)
    assert all(torch.equal(value, seen[best - 1][name]) for name, value in stored.items())


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_the_learning_rate_follows_its_schedule(tmp_path, monkeypatch, schedule) -> None:
    rates: list[float] = []

    class Recording(torch.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "Adam", Recording)
    loop.fit(untrained(), DATA, dataclasses.replace(SETTINGS, epochs=2, schedule=schedule), tmp_path, SilentReporter())

    count = len(rates)
    assert count == 2 * -(-len(DATA.train.items[len(DATA.train) :]) // 32)
    expected = [1e-2 * (1 - step / count if schedule == "linear" else 1) for step in range(count)]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_a_diverging_training_says_so(tmp_path) -> None:
    settings = dataclasses.replace(SETTINGS, learning_rate=1e30)

    with pytest.raises(
        HiersrecError, match=r"became NaN or infinite in epoch 1, step \d+ \(.*item.*\)\. .*lower training\."
    ):
        loop.fit(untrained(overrides=("tasks.item.head=linear",)), DATA, settings, tmp_path, SilentReporter())


def test_the_reporter_hears_of_all_examples_and_epochs(tmp_path) -> None:
    reporter = Listening()

    loop.fit(untrained(), DATA, dataclasses.replace(SETTINGS, epochs=2), tmp_path, reporter)

    parameters = sum(weight.numel() for weight in untrained().parameters())
    prefixes = [len(sessions.items) - len(sessions) for sessions in (DATA.train, DATA.valid)]
    assert reporter.titles == [
        ("train: epoch 1/2", prefixes[0]),
        ("train: validation", prefixes[1]),
        ("train: epoch 2/2", prefixes[0]),
        ("train: validation", prefixes[1]),
    ]
    assert (prefixes[0], prefixes[1]) == (max(done for done, _ in reporter.steps), reporter.steps[-1][0])
    assert all(word in reporter.steps[0][1] for word in ("category_1 ", "category_2 ", "item ", "examples/s"))
    assert [line.split(":")[1].strip() for line in reporter.said] == [
        f"{prefixes[0]:,} prefixes, {parameters:,} parameters, cpu, float32",
        "epoch 1",
        "epoch 2",
    ]


def test_what_it_validates_is_what_evaluation_finds(tmp_path) -> None:
    made = untrained()

    progress = loop.fit(made, DATA, dataclasses.replace(SETTINGS, epochs=1), tmp_path, SilentReporter())

    metrics = evaluate(ModelScorer(made), DATA.catalog, DATA.valid, EvaluationOptions()).metrics
    assert progress.best == metrics["mrr@20"]
    assert progress.history[0]["valid"].items() <= metrics.items()


def test_whoever_fits_is_given_no_test_split() -> None:
    baselines = [registry.load("baselines", name) for name in registry.names("baselines")]
    fits = [loop.fit, *(baseline.fit for baseline in baselines if hasattr(baseline, "fit"))]
    builds = [baseline.build for baseline in baselines if hasattr(baseline, "build")]

    assert len(fits) - 1 + len(builds) == len(baselines)
    assert [typing.get_type_hints(fit)["data"] for fit in fits] == [TrainingData] * len(fits)
    assert [typing.get_type_hints(build)["train"] for build in builds] == [Sessions | None] * len(builds)
    given = typing.get_type_hints(TrainingData)
    assert list(given) == ["catalog", "train", "valid", "timed", "latest"]
    assert given["timed"] is given["latest"] is bool, "of the order of the sessions, no more"


def test_bf16_trains_too(tmp_path: Path) -> None:
    made = untrained()

    progress = loop.fit(made, DATA, dataclasses.replace(SETTINGS, precision="bf16"), tmp_path, SilentReporter())

    losses = [record["loss"]["item"] for record in progress.history]
    assert losses[0] > losses[1] > losses[2]
    assert {weight.dtype for weight in made.parameters()} == {torch.float32}


def trained(folder: Path, *overrides: str) -> tuple[HierarchicalModel, list[dict[str, Any]]]:
    """A model of the recipe without dropout after two epochs, and their records."""
    made = untrained(overrides=("encoder.dropout=0.0", *overrides))
    return made, loop.fit(made, DATA, dataclasses.replace(SETTINGS, epochs=2), folder, SilentReporter()).history


def test_each_strategy_of_weights_trains_another_model(tmp_path) -> None:
    tables = {}
    for key, strategies in (
        ("category.weight", ["1", "trainable", "random"]),
        ("item.weight", ["random"]),
    ):
        for strategy in strategies:
            made, _ = trained(tmp_path / f"{key}-{strategy}", f"tasks.{key}={strategy}")
            tables[key, strategy] = made.inputs.item_table.weight.detach().numpy().tobytes()
    for strategy in ("trainable", "random"):
        made, _ = trained(
            tmp_path / f"injection-{strategy}", "tasks.category.weight=1", f"tasks.item.injection_weight={strategy}"
        )
        tables["injection", strategy] = made.inputs.item_table.weight.detach().numpy().tobytes()

    assert len(set(tables.values())) == len(tables)


def test_the_history_tells_what_was_learnt_and_drawn_and_is_silent_on_fixed_weights(tmp_path) -> None:
    learnt, history = trained(
        tmp_path / "learnt", "tasks.category.weight=trainable", "tasks.item.injection_weight=trainable"
    )
    drawn, draws = trained(tmp_path / "drawn", "tasks.item.weight=random")
    _, fixed = trained(tmp_path / "fixed")

    levels = [list(record["weight"].values()) for record in history]
    assert [list(record["weight"]) for record in history] == [["category_1", "category_2"]] * 2
    assert all(1 > first > second for first, second in zip(*levels, strict=True)), "such a weight only falls"
    assert {key: history[-1][key] for key in ("weight", "injection_weight")} == learnt.moving_weights()
    assert history[0]["injection_weight"] != history[1]["injection_weight"] != {"item": 1.0}
    assert "injection_weight" not in draws[0]
    for epoch in range(2):
        drawn.start_epoch(SETTINGS.seed, epoch)
        assert draws[epoch]["weight"] == drawn.train().moving_weights()["weight"]
    assert all(not _moving(record) for record in fixed)


def test_learnt_weights_come_back_from_the_file_of_the_best_epoch(tmp_path) -> None:
    overrides = ("tasks.category.weight=trainable", "tasks.item.injection_weight=trainable")
    made, history = trained(tmp_path, *overrides)
    best = max(history, key=lambda record: record["valid"]["mrr@20"])
    other = untrained(seed=5, overrides=overrides)

    safetensors.torch.load_model(other, tmp_path / checkpoint.BEST)

    assert other.moving_weights() == {key: best[key] for key in ("weight", "injection_weight")} == _moving(best)
    assert made.moving_weights() == _moving(history[-1])
    assert all(value != 1 for value in best["weight"].values())


def test_the_next_event_s_type_reaches_the_tasks(tmp_path, monkeypatch) -> None:
    seen: list[tuple[Tensor, Tensor | None]] = []
    real = HierarchicalModel.loss

    def listening(self: HierarchicalModel, items: Tensor, lengths: Tensor, targets: Targets) -> Any:
        seen.append((targets.items, targets.event_types))
        return real(self, items, lengths, targets)

    monkeypatch.setattr(HierarchicalModel, "loss", listening)
    typed = dataclasses.replace(DATA.train, event_types=np.asarray(DATA.train.items) % 3)
    for folder, train in (("typed", typed), ("plain", dataclasses.replace(DATA.train, event_types=None))):
        data = dataclasses.replace(DATA, train=train)
        loop.fit(untrained(), data, dataclasses.replace(SETTINGS, epochs=1), tmp_path / folder, SilentReporter())

    steps = len(seen) // 2
    assert steps > 1
    assert all(types is not None and torch.equal(types, items % 3) for items, types in seen[:steps])
    assert all(types is None for _, types in seen[steps:])
