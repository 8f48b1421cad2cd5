"""Every tracker, read back by its own library: a resumed training logs each step and each epoch once."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.summary.writer import event_file_writer

from hiersrec import registry
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training import callbacks, loop
from hiersrec.training.callbacks import Callback, loggers_of
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.training.test_callbacks import Recorder
from tests.training.test_fit import recipe
from tests.training.test_loop import Stop

Log = dict[tuple[str, int], list[float]]
"""(metric, step or epoch) -> its values; one, if nothing was logged twice."""
EVERY = 2

pytestmark = [
    pytest.mark.slow,
    # MLflow's store asks SQLAlchemy 2.1 for a way of loading that it calls deprecated.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]


@pytest.fixture(autouse=True)
def _often(monkeypatch) -> None:
    """Every second step is logged, and MLflow stays offline."""
    monkeypatch.setattr(callbacks, "LOG_EVERY", EVERY)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    # Event files are read in the order of their names: second, process, and this counter, "10" being before "9".
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def csv_log(out: Path, target: str) -> Log:
    del target
    log: Log = {}
    for kind in ("step", "epoch"):
        with (out / "csv" / f"{kind}s.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                number = int(row.pop(kind))
                for name, value in row.items():
                    log.setdefault((f"{kind}/{name}", number), []).append(float(value))
    return log


def tensorboard_log(out: Path, target: str) -> Log:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    del target
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    log: Log = {}
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            log.setdefault((name, event.step), []).append(event.value)
    return log


def runs_of(target: str, out: Path) -> list[Any]:
    """The runs of that name, oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=target)
    experiment = client.get_experiment_by_name("hiersrec")
    named = f"attributes.run_name = '{out.name}'"
    return list(client.search_runs([experiment.experiment_id], named, order_by=["attributes.start_time ASC"]))


def mlflow_log(out: Path, target: str) -> Log:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=target)
    [run] = runs_of(target, out)
    assert run.info.status == "FINISHED"
    log: Log = {}
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            log.setdefault((name, metric.step), []).append(metric.value)
    return log


READERS: dict[str, Callable[[Path, str], Log]] = {
    "csv": csv_log,
    "tensorboard": tensorboard_log,
    "mlflow=sqlite": mlflow_log,
    "mlflow=file": mlflow_log,
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[str, str]:
    """Tracking URIs by name."""
    folder = tmp_path_factory.mktemp("stores")
    return {"mlflow=sqlite": f"sqlite:///{folder}/mlflow.db", "mlflow=file": f"file:{folder}/mlruns"}


@pytest.fixture
def out(tmp_path) -> Path:
    """A run folder whose name no other test has."""
    return tmp_path / tmp_path.name


NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "mlflow=sqlite" else name for name in READERS]
"""A database takes seconds to create."""


def logger(name: str, target: str, out: Path) -> Callback:
    return loggers_of([f"{name.partition('=')[0]}={target}"], out)[0]


def timeless(log: Log) -> Log:
    return {key: values for key, values in log.items() if not key[0].endswith("_s")}


def test_every_logger_is_tested() -> None:
    assert {name.partition("=")[0] for name in READERS} == set(registry.names("training.loggers"))


@pytest.fixture(scope="module")
def recorder(dataset, tmp_path_factory) -> Recorder:
    """What a training of two epochs that nothing stopped tells its callbacks."""
    recorder = Recorder()
    train(dataset, recipe(), tmp_path_factory.mktemp("whole") / "run", SilentReporter(), callbacks=[recorder])
    return recorder


def expected(name: str, recorder: Recorder) -> Log:
    """The log of that training."""
    log: Log = {}
    last, per_epoch = 2 * recorder.run.steps_per_epoch, recorder.run.steps_per_epoch
    for step in range(EVERY, last + 1, EVERY):
        log |= {(f"step/{metric}", step): [value] for metric, value in recorder.metrics["step", step].items()}
    for epoch in (1, 2):
        row = recorder.metrics["epoch", epoch]
        if name == "csv":
            log |= {(f"epoch/{metric}", epoch): [value] for metric, value in row.items()}
        else:
            row = {"epoch": float(epoch), **row}
            log |= {(metric, epoch * per_epoch): [value] for metric, value in row.items()}
    if name != "csv":
        log |= {(metric, last): [value] for metric, value in recorder.metrics["end",].items()}
    if name.startswith("mlflow"):
        log = {(metric.replace("@", "_at_"), step): values for (metric, step), values in log.items()}
    return log


def equal(log: Log, other: Log) -> bool:
    """TensorBoard keeps float32."""
    return {key: pytest.approx(values, rel=1e-6) for key, values in timeless(log).items()} == timeless(other)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_nothing_stops(dataset, recorder, out, stores, name) -> None:
    target = stores.get(name, "")

    train(dataset, recipe(), out, SilentReporter(), callbacks=[logger(name, target, out)])

    log = READERS[name](out, target)
    assert log.keys() == expected(name, recorder).keys()
    assert equal(log, expected(name, recorder))


STOPS = [("step", 1), ("step", 4), ("step", 5), ("epoch", 1), ("step", 8), ("epoch", 2)]
CASES = [
    (name, stop, seconds) for name in ("csv", "tensorboard", "mlflow=file") for stop in STOPS for seconds in (-1, 60)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stop_at", "save_every"), [*CASES, ("mlflow=sqlite", ("step", 5), 60.0)])
def test_a_resumed_training_logs_each_step_and_epoch_once(
    dataset, recorder, out, stores, monkeypatch, name, stop_at, save_every
) -> None:
    """The logger comes before the callback that stops, so the log holds what no checkpoint has yet."""
    monkeypatch.setattr(loop, "SAVE_EVERY", save_every)
    target = stores.get(name, "")
    with pytest.raises(Stop):
        train(dataset, recipe(), out, SilentReporter(), callbacks=[logger(name, target, out), Recorder(stop_at)])

    train(dataset, recipe(), out, SilentReporter(), resume=True, callbacks=[logger(name, target, out)])

    log = READERS[name](out, target)
    assert log.keys() == expected(name, recorder).keys()
    assert equal(log, expected(name, recorder))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_starts_over_replaces_its_log(dataset, recorder, out, stores, name) -> None:
    """Also where the log is outside of the run folder."""
    target = stores.get(name, str(out.parent / "logs"))
    longer = recipe("training.epochs=3")
    with pytest.raises(Stop):
        train(dataset, longer, out, SilentReporter(), callbacks=[logger(name, target, out), Recorder(("epoch", 3))])

    train(dataset, recipe(), out, SilentReporter(), overwrite=True, callbacks=[logger(name, target, out)])

    if name.startswith("mlflow"):
        stopped, finished = runs_of(target, out)
        assert (stopped.info.status, finished.info.status) == ("FAILED", "FINISHED")
        assert stopped.data.metrics["epoch"] == 3
        assert finished.data.metrics["epoch"] == 2
    else:
        (out.parent / "logs" / out.name).rename(out / name)
        assert equal(READERS[name](out, target), expected(name, recorder))


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_that_counts(dataset, out, stores, name) -> None:
    target = stores.get(name, "")
    counted = read_recipe(find_recipe("popularity", "toy"))

    train(dataset, counted, out, SilentReporter(), callbacks=[logger(name, target, out)])

    if name != "csv":  # without steps and epochs there is no file
        assert READERS[name](out, target) == {}
    assert not (out / "state").exists()


KILLED = """
import os, sys
from pathlib import Path
from hiersrec.store.dataset import Dataset
from hiersrec.training import callbacks, loop
from hiersrec.training.callbacks import Callback, loggers_of
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.training.test_fit import recipe

class Killed(Callback):
    def on_step(self, step, metrics):
        if step == 11:
            os._exit(9)

callbacks.LOG_EVERY = 2
if sys.argv[3] == "often":
    loop.SAVE_EVERY = -1.0
out = Path(sys.argv[2])
loggers = loggers_of(sys.argv[4:], out)
train(Dataset.open(Path(sys.argv[1])), recipe(), out, SilentReporter(), callbacks=[*loggers, Killed()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("saved", ["often", "seldom"])
def test_a_killed_process_has_lost_nothing_that_its_checkpoint_has(dataset, recorder, out, stores, saved) -> None:
    """Nothing is closed. The kill is in epoch 2, a step after the last checkpoint, or four steps after it."""
    loggers = ["csv", "tensorboard", f"mlflow={stores['mlflow=file']}"]
    arguments = [sys.executable, "-c", KILLED, str(dataset.folder), str(out), saved, *loggers]
    done = subprocess.run(arguments, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False)
    assert done.returncode == 9
    time.sleep(1)  # TensorBoard reads event files of the same second by process number, not by age

    train(dataset, recipe(), out, SilentReporter(), resume=True, callbacks=loggers_of(loggers, out))

    for name in ("csv", "tensorboard", "mlflow=file"):
        log = READERS[name](out, stores.get(name, ""))
        assert log.keys() == expected(name, recorder).keys()
        assert equal(log, expected(name, recorder)), name
