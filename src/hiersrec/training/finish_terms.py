"""What score terms choose when training is over, on validation sessions (PositionTerm.finish)."""

from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import scorer_of
from hiersrec.store.dataset import TrainingData
from hiersrec.training.progress import ProgressReporter

SESSIONS = 2_000
"""Newest validation sessions that are measured on: a few seconds each time."""


def finish_terms(model: HierarchicalModel, data: TrainingData, refit: bool, reporter: ProgressReporter) -> None:
    """Let each position term set what is not trained. With `refit` validation sessions were trained on."""
    sessions = data.valid.newest(min(1.0, SESSIONS / max(1, len(data.valid))))
    scorer = scorer_of(model.eval())

    def measure() -> float:
        return evaluate(scorer, data.catalog, sessions).metrics["mrr@20"]

    for name, term in model.position_terms.items():
        if line := term.finish(None if refit else measure):
            reporter.say(f"train: {name}: {line}")
