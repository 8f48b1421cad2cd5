"""A run in MLflow, at its default tracking URI, or with `--log mlflow=URI` at that one.

The default is MLFLOW_TRACKING_URI, or mlflow.db in the working folder. The experiment is MLFLOW_EXPERIMENT_NAME, else
"hiersrec"; the run has the name of the run folder, and every setting as a parameter.
Every 50th step is recorded, as "step/loss/item"; epochs, as "loss/item", at the step with which they end.
MLflow allows no "@": "valid/mrr@20" is "valid/mrr_at_20" there. "_" replaces what else it does not allow.
"""

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec.errors import HiersrecError
from hiersrec.store.folder import write_text
from hiersrec.training import callbacks
from hiersrec.training.callbacks import Callback, TrainingStart

if TYPE_CHECKING:
    from mlflow import MlflowClient

SAVED = "mlflow.json"
"""In the state folder of a training: which run it is in MLflow."""
MOST_PARAMETERS = 100
"""MLflow takes no more in one request."""


class MlflowLogger(Callback):
    """MLflow can't remove a metric, so a resumed training logs only the steps that its run doesn't have yet."""

    def __init__(self, uri: str) -> None:
        self.uri, self.run_id, self.step, self.status = uri, "", 0, "FAILED"
        self.logged: dict[str, int] = {}
        """The last step of each metric when the training was resumed."""
        self.client: MlflowClient

    def on_start(self, run: TrainingStart) -> None:
        """Raises HiersrecError if MLflow refuses the URI, or no longer has the run of a resumed training."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.step, self.status = run.step, "FAILED"
        try:
            self.client = MlflowClient(tracking_uri=self.uri)
            self._resume(run) if self._saved_run(run) else self._create(run)
        except MlflowException as error:
            raise HiersrecError(f"MLflow refused to log to {self.uri}: {error}") from error

    def on_step(self, step: int, metrics: dict[str, float]) -> None:
        self.step = step
        if step % callbacks.LOG_EVERY == 0:
            self._log({f"step/{name}": value for name, value in metrics.items()})

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self._log({"epoch": epoch, **metrics})

    def on_end(self, metrics: dict[str, float]) -> None:
        self._log(metrics)
        self.status = "FINISHED"

    def close(self) -> None:
        self.client.set_terminated(self.run_id, self.status)

    def _saved_run(self, run: TrainingStart) -> str:
        """The id of this training's run at this URI, "" if there is none yet."""
        path = run.state / SAVED
        saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return str(saved["run_id"]) if saved.get("uri") == self.uri else ""

    def _create(self, run: TrainingStart) -> None:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "hiersrec")
        experiment = self.client.get_experiment_by_name(name)
        experiment_id = self.client.create_experiment(name) if experiment is None else experiment.experiment_id
        facts = {
            "recipe": run.recipe,
            "dataset": run.dataset,
            "fingerprint": run.fingerprint,
            "parameters": str(run.parameters),
        }
        self.run_id = self.client.create_run(experiment_id, run_name=run.name, tags=facts).info.run_id
        parameters = [Param(_allowed(key), str(value)) for key, value in run.settings.items()]
        for first in range(0, len(parameters), MOST_PARAMETERS):
            self.client.log_batch(self.run_id, params=parameters[first : first + MOST_PARAMETERS])
        run.state.mkdir(parents=True, exist_ok=True)
        write_text(run.state / SAVED, json.dumps({"uri": self.uri, "run_id": self.run_id}))

    def _resume(self, run: TrainingStart) -> None:
        self.run_id = self._saved_run(run)
        self.client.update_run(self.run_id, status="RUNNING")
        for key in self.client.get_run(self.run_id).data.metrics:
            self.logged[key] = max(metric.step for metric in self.client.get_metric_history(self.run_id, key))

    def _log(self, metrics: dict[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        named = {_allowed(name): value for name, value in metrics.items()}
        new = [
            Metric(key, value, now, self.step) for key, value in named.items() if self.step > self.logged.get(key, -1)
        ]
        if new:
            self.client.log_batch(self.run_id, metrics=new)


def _allowed(name: str) -> str:
    return re.sub(r"[^\w\-. :/]", "_", name.replace("@", "_at_"))


def build(target: str | None, out: Path) -> MlflowLogger:
    """target: a tracking URI. Raises ModuleNotFoundError without the package mlflow."""
    del out  # the run tells
    import mlflow

    return MlflowLogger(mlflow.get_tracking_uri() if target is None else target)
