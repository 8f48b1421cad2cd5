"""CSV files, steps.csv and epochs.csv, in OUT/csv, or with `--log csv=DIR` in DIR/NAME.

NAME is the name of the run folder. One row for every 50th step or each epoch, one column for each metric.
"""

import csv
import io
from pathlib import Path

from hiersrec.store.folder import write_text
from hiersrec.training import callbacks
from hiersrec.training.callbacks import Callback, TrainingStart


class CsvLogger(Callback):
    """Each row is written at once, so that a killed training has lost none."""

    steps: Path
    epochs: Path

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def on_start(self, run: TrainingStart) -> None:
        folder = run.out / "csv" if self.folder is None else self.folder
        self.steps, self.epochs = folder / "steps.csv", folder / "epochs.csv"
        _keep(self.steps, run.step)
        _keep(self.epochs, run.epoch)

    def on_step(self, step: int, metrics: dict[str, float]) -> None:
        if step % callbacks.LOG_EVERY == 0:
            _append(self.steps, {"step": step, **metrics})

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        _append(self.epochs, {"epoch": epoch, **metrics})


def build(target: str | None, out: Path) -> CsvLogger:
    """target: the folder that gets a folder for the run."""
    return CsvLogger(None if target is None else Path(target) / out.resolve().name)


def _append(path: Path, row: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


def _keep(path: Path, last: int) -> None:
    """Drop the rows after number `last`, which the training writes again; all of them if it starts from 0."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or [])
        rows = [row for row in reader if None not in row.values() and int(row[columns[0]]) <= last]
    if not rows:
        path.unlink()
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
