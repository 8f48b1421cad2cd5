"""TensorBoard's event files, in OUT/tensorboard, or with `--log tensorboard=DIR` in DIR/NAME.

NAME is the name of the run folder, so that `tensorboard --logdir DIR` compares runs.
Every 50th step is recorded, as "step/loss/item"; epochs, as "loss/item", at the step with which they end.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from hiersrec.training import callbacks
from hiersrec.training.callbacks import Callback, TrainingStart

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardLogger(Callback):
    """Events are flushed at once: what comes before a checkpoint must be on disk when the training is killed."""

    writer: "SummaryWriter"

    def __init__(self, folder: Path | None) -> None:
        self.folder, self.step = folder, 0

    def on_start(self, run: TrainingStart) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.out / "tensorboard" if self.folder is None else self.folder
        self.step = run.step
        # Readers drop all events of older files from this step on: those after the checkpoint, or of a replaced run.
        self.writer = SummaryWriter(str(folder), purge_step=run.step + 1 if run.step else 0)
        if not run.step:
            rows = "".join(f"| {name} | {value} |\n" for name, value in run.settings.items())
            self.writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0)

    def on_step(self, step: int, metrics: dict[str, float]) -> None:
        self.step = step
        if step % callbacks.LOG_EVERY == 0:
            self._write({f"step/{name}": value for name, value in metrics.items()})

    def on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self._write({"epoch": epoch, **metrics})

    def on_end(self, metrics: dict[str, float]) -> None:
        self._write(metrics)

    def close(self) -> None:
        self.writer.close()

    def _write(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, self.step)
        self.writer.flush()


def build(target: str | None, out: Path) -> TensorBoardLogger:
    """target: the folder that gets a folder for the run. Raises ModuleNotFoundError without the package tensorboard."""
    import tensorboard  # noqa: F401 - torch.utils.tensorboard needs it

    return TensorBoardLogger(None if target is None else Path(target) / out.resolve().name)
