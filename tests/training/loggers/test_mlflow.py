import json

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from hiersrec.errors import HiersrecError
from hiersrec.training.loggers import mlflow
from tests.training.loggers.test_csv import start


@pytest.fixture
def store(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return f"file:{tmp_path}/mlruns"


def run_of(store: str, run_id: str) -> Run:
    return MlflowClient(tracking_uri=store).get_run(run_id)


def test_a_run_says_what_was_trained(store, tmp_path, monkeypatch) -> None:
    """The library's own variables name the store and the experiment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "spring")
    logger = mlflow.build(None, tmp_path / "run")

    logger.on_start(start(tmp_path / "run"))

    run = run_of(store, logger.run_id)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "run"
    assert run.data.params == {"training.seed": "0"}
    assert {name: run.data.tags[name] for name in ("recipe", "dataset", "fingerprint", "parameters")} == {
        "recipe": "mine",
        "dataset": "shop",
        "fingerprint": "00",
        "parameters": "10",
    }
    assert MlflowClient(tracking_uri=store).get_experiment(run.info.experiment_id).name == "spring"


def test_a_run_has_failed_until_the_training_ended(store, tmp_path) -> None:
    logger = mlflow.build(store, tmp_path / "run")
    logger.on_start(start(tmp_path / "run"))
    logger.close()
    assert run_of(store, logger.run_id).info.status == "FAILED"

    resumed = mlflow.build(store, tmp_path / "run")
    resumed.on_start(start(tmp_path / "run"))
    assert resumed.run_id == logger.run_id
    assert run_of(store, logger.run_id).info.status == "RUNNING"
    resumed.on_end({"best/valid/mrr@20": 0.5})
    resumed.close()

    run = run_of(store, logger.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"best/valid/mrr_at_20": 0.5}


def test_a_training_resumed_with_another_store_gets_a_run_there(store, tmp_path) -> None:
    logger = mlflow.build(store, tmp_path / "run")
    logger.on_start(start(tmp_path / "run"))

    other = mlflow.build(f"file:{tmp_path}/others", tmp_path / "run")
    other.on_start(start(tmp_path / "run"))

    assert other.run_id != logger.run_id
    saved = json.loads((tmp_path / "run" / "state" / "mlflow.json").read_text(encoding="utf-8"))
    assert saved == {"uri": f"file:{tmp_path}/others", "run_id": other.run_id}


def test_names_that_mlflow_does_not_allow(store, tmp_path) -> None:
    """Tasks have the names of columns."""
    logger = mlflow.build(store, tmp_path / "run")

    logger.on_start(start(tmp_path / "run", {"tasks.größe (cm).weight": 1.0}))
    logger.on_epoch(1, {"valid/größe (cm)/mrr@20": 0.5})

    data = run_of(store, logger.run_id).data
    assert data.params == {"tasks.größe _cm_.weight": "1.0"}
    assert data.metrics == {"epoch": 1.0, "valid/größe _cm_/mrr_at_20": 0.5}


def test_more_settings_than_one_request_takes(store, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(mlflow, "MOST_PARAMETERS", 2)
    settings = {f"training.x{number}": number for number in range(5)}
    logger = mlflow.build(store, tmp_path / "run")

    logger.on_start(start(tmp_path / "run", settings))

    assert len(run_of(store, logger.run_id).data.params) == 5


def test_a_store_that_mlflow_refuses(store, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")

    with pytest.raises(HiersrecError, match=r"MLflow refused to log to file:.*mlruns: .*MLFLOW_ALLOW_FILE_STORE=true"):
        mlflow.build(store, tmp_path / "run").on_start(start(tmp_path / "run"))


def test_a_run_that_is_gone(store, tmp_path) -> None:
    state = tmp_path / "run" / "state"
    state.mkdir(parents=True)
    (state / "mlflow.json").write_text(json.dumps({"uri": store, "run_id": "0" * 32}), encoding="utf-8")

    with pytest.raises(HiersrecError, match=r"MLflow refused to log to .*: Run '0{32}' not found"):
        mlflow.build(store, tmp_path / "run").on_start(start(tmp_path / "run"))
