from pathlib import Path
from typing import Any

from hiersrec.training import callbacks
from hiersrec.training.callbacks import TrainingStart
from hiersrec.training.loggers import csv


def start(out: Path, settings: dict[str, Any] | None = None, **counts: int) -> TrainingStart:
    settings = settings or {"training.seed": 0}
    return TrainingStart(out, out / "state", "mine", settings, "shop", "00", 10, out.name, **counts)


def test_rows_and_columns(tmp_path) -> None:
    logger = csv.build(None, tmp_path)
    logger.on_start(start(tmp_path))
    for step in range(1, 2 * callbacks.LOG_EVERY + 2):
        logger.on_step(step, {"loss/item": 1 / step, "learning_rate": 0.1})
    logger.on_epoch(1, {"valid/mrr@20": 0.1 + 0.2})

    assert logger.steps.read_text(encoding="utf-8") == "step,loss/item,learning_rate\n50,0.02,0.1\n100,0.01,0.1\n"
    assert logger.epochs.read_text(encoding="utf-8") == "epoch,valid/mrr@20\n1,0.30000000000000004\n"


def test_a_half_written_row_goes(tmp_path) -> None:
    """It is newer than the checkpoint, whatever is left of its number."""
    (tmp_path / "csv").mkdir()
    steps = tmp_path / "csv" / "steps.csv"
    steps.write_text("step,loss/item\n100,7.5\n150,6.5\n2", encoding="utf-8")

    csv.build(None, tmp_path).on_start(start(tmp_path, step=120))

    assert steps.read_text(encoding="utf-8") == "step,loss/item\n100,7.5\n"
