"""One flipped bit in any file of a dataset, a run, a bundle and the state of a training.

`verify` must notice each. Each function that uses the folder must end with an error for people where it reads the file,
and otherwise as if nothing had happened. The files that a run's seal does not cover are left out.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import hiersrec
from hiersrec.errors import BadFolder, HiersrecError
from hiersrec.http.model import open_model
from hiersrec.training.callbacks import Callback
from tests.bundles import SMALL, exported, tiny_run
from tests.drills.report import Row

FULL = 250
"""Tries of each kind of folder."""
SEEN = ["a0", "a1"]
STATES = ("last", "best", "start")
"""Files of the state of a training that began with the weights of another run."""


@dataclass
class Target:
    """A folder, and what uses it: name -> the call, and the files below which it must notice a flipped bit."""

    name: str
    folder: Path
    uses: Mapping[str, tuple[Callable[[], object], tuple[str, ...]]]


class StopAfterFirstEpoch(Callback):
    """Ctrl-C after the first checkpoint."""

    def __init__(self) -> None:
        self.epochs = 0

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        del step, metrics
        if self.epochs:
            raise KeyboardInterrupt

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        del metrics
        self.epochs = epoch


def targets(folder: Path, made: Path | None) -> list[Target]:
    """The folders, and their uses."""
    if made is not None:
        for name in ("data", "run", "bundle"):
            shutil.copytree(made / name, folder / name)
    run = folder / "run" if made is not None else tiny_run(folder)
    bundle = folder / "bundle" if made is not None else exported(run, folder / "bundle", slabs="int8")
    data, state, out = folder / "data", folder / "begun", folder / "out"
    overrides = [*SMALL, "training.epochs=3"]
    stop = [StopAfterFirstEpoch()]
    with suppress(KeyboardInterrupt):
        hiersrec.train(data, init_from=run, overrides=overrides, out=state, callbacks=stop, progress=False)
    assert {path.name for path in (state / "state").iterdir()} == {f"{name}.safetensors" for name in STATES}
    whole = shutil.copytree(state, folder / "begun-before")

    def resume() -> None:
        try:
            hiersrec.train(data, out=state, resume=True, progress=False)
        finally:
            shutil.rmtree(state)
            shutil.copytree(whole, state)

    def train() -> None:
        hiersrec.train(data, "popularity", out=out, overwrite=True, progress=False)

    everything = ("",)
    return [
        Target(
            "dataset",
            data,
            {
                "train": (train, ("dataset.json", "catalog/", "train/", "valid/")),
                "evaluate": (lambda: _evaluate(run, data), ("dataset.json", "test/")),
            },
        ),
        Target(
            "run",
            run,
            {
                "evaluate": (lambda: _evaluate(run, data), everything),
                "recommend": (lambda: hiersrec.Recommender.load(run).recommend([SEEN]), everything),
                "export": (lambda: hiersrec.Run.open(run).export(out, overwrite=True, progress=False), everything),
            },
        ),
        Target(
            "bundle",
            bundle,
            {
                "recommend": (lambda: hiersrec.Recommender.load(bundle).recommend([SEEN]), everything),
                "serve": (lambda: open_model(bundle), everything),
            },
        ),
        Target("training", state, {"train --resume": (resume, everything)}),
    ]


def _evaluate(run: Path, data: Path) -> None:
    hiersrec.Run.open(run).evaluate(data=data, progress=False)


def drill(tries: int | None, folder: Path, made: Path | None = None) -> Iterator[Row]:
    """A row for each kind of folder; each of its files gets its share of the tries.

    made: where data/, run/ and bundle/ of the toy shop are, to be copied.
    """
    for target in targets(folder, made):
        row = Row("flipped bit", target.name)
        files = sorted(hiersrec.verify(target.folder).document["files"])
        for number in range(FULL if tries is None else tries):
            chance = random.Random(f"{target.name} {number}")  # noqa: S311  (reproducible tries)
            name = chance.choice(files)
            bit = chance.randrange(8 * (target.folder / name).stat().st_size)
            row.tries += 1
            with flipped(target.folder / name, bit):
                failures = list(_failures(target, name))
            row.failures += [f"try {number}, bit {bit} of {name}: {failure}" for failure in failures]
        yield row


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """Flip a bit of a file, for a while."""
    content = path.read_bytes()
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    try:
        yield
    finally:
        path.write_bytes(content)


def _failures(target: Target, name: str) -> Iterator[str]:
    try:
        hiersrec.verify(target.folder)
        yield "verify does not notice it"
    except BadFolder:
        pass
    except Exception as error:  # what a drill looks for
        yield f"verify: {error!r}"
    for use, (call, noticed) in target.uses.items():
        try:
            call()
        except HiersrecError:
            continue
        except Exception as error:  # what a drill looks for
            yield f"{use}: {error!r}"
        else:
            if name.startswith(noticed):
                yield f"{use} does not notice it"
