"""How many next items a second does training learn from, ours against RecTools' SASRec and RecBole's?

    python3 -m venv /tmp/libraries && /tmp/libraries/bin/pip install -r benchmarks/requirements-training.txt
    .venv/bin/python benchmarks/training_libraries.py --libraries /tmp/libraries/bin/python [--data data/diginetica]

All train on the same sessions with the softmax over all items, at width 256 with 2 blocks of 8 heads, on the newest 20
items, with Adam, on the same threads, and with batches of 128 sessions, or as many prefixes as 128 sessions have. An
example is a next item that a step learns from: RecTools trains all positions of a session in one pass (shifted
sequences, `loss="softmax"`: no negatives are drawn) and has one at each position that is not padding; RecBole has one a
prefix, as we have.

Each system runs its own training loop in a process of its own, in turns; what is timed are the steps after a warm-up,
with the loading of their batches, and not the preparation of the data. The libraries run with their defaults, and
once more in bf16, their fastest setting on a processor that has it; on others that is left out, and so is a system that
needs more than --seconds for one step.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Clock, Enough, ask, machine, show, versions, write_json

WIDTH, BLOCKS, HEADS, LENGTH, SESSIONS, DROPOUT = 256, 2, 8, 20, 128, 0.2
WARM_UP = 3


def hiersrec(data: Path, clock: Clock, recipe: str, *overrides: str) -> None:
    """A recipe of ours. Imports stand in functions, since every system has a Python of its own."""
    from steps import timed

    encoder = (f"encoder.layers={BLOCKS}", f"encoder.heads={HEADS}", f"encoder.max_length={LENGTH}")
    timed(data, recipe, (*encoder, f"training.batch_size={_batch(data)}", *overrides), clock)


def best(data: Path, clock: Clock) -> None:
    """The default recipe with its own settings, at the same number of prefixes a batch."""
    from steps import timed

    timed(data, "best", (f"training.batch_size={_batch(data)}",), clock)


def rectools(data: Path, clock: Clock, precision: str) -> None:
    """RecTools, by its public interface; `clock` hears of every batch from a callback of its trainer."""
    import pandas as pd
    from pytorch_lightning import Callback, Trainer
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    class Listener(Callback):
        def on_train_batch_end(self, *hook: Any) -> None:
            clock.tick(int((hook[3]["y"] != 0).sum()))

    def trainer() -> Trainer:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        return Trainer(max_epochs=1, accelerator="cpu", precision=precision, callbacks=[Listener()], **quiet)

    items, sessions, places = _events(data)
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(places, unit="s")
    events = pd.DataFrame({"user_id": sessions, "item_id": items, "weight": 1.0, "datetime": times})
    shape = {"n_factors": WIDTH, "n_blocks": BLOCKS, "n_heads": HEADS, "session_max_len": LENGTH}
    model = SASRecModel(**shape, dropout_rate=DROPOUT, loss="softmax", batch_size=SESSIONS, get_trainer_func=trainer)
    model.fit(Dataset.construct(events))


def recbole(data: Path, clock: Clock, amp: bool) -> None:
    """RecBole: its dataset (one example a prefix), loader, model and trainer; the loader tells `clock` of batches."""
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.data.dataloader import TrainDataLoader
    from recbole.utils import get_model, get_trainer, init_seed

    class Told:
        """The loader, as the trainer sees it: the next batch is requested when the step before is done."""

        def __init__(self, loader: Any) -> None:
            self.loader = loader

        def __iter__(self) -> Iterator[Any]:
            for batch in self.loader:
                yield batch
                clock.tick(len(batch))

    items, sessions, places = _events(data)
    sys.argv = sys.argv[:1]  # Config reads them
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it writes logs where it stands
        (Path(folder) / "shop").mkdir()
        rows = "".join(f"{s}\t{i}\t{t}\n" for s, i, t in zip(sessions, items, places, strict=True))
        head = "session_id:token\titem_id:token\ttimestamp:float\n"
        (Path(folder) / "shop" / "shop.inter").write_text(head + rows)
        shape = {"hidden_size": WIDTH, "inner_size": WIDTH, "n_layers": BLOCKS, "n_heads": HEADS}
        columns = {"USER_ID_FIELD": "session_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}
        settings = {
            **{"hidden_dropout_prob": DROPOUT, "attn_dropout_prob": DROPOUT, "MAX_ITEM_LIST_LENGTH": LENGTH},
            **{"loss_type": "CE", "train_neg_sample_args": None, "train_batch_size": _batch(data)},
            **{"data_path": folder, "load_col": {"inter": list(columns.values())}, "use_gpu": False, "enable_amp": amp},
        }
        config = Config(model="SASRec", dataset="shop", config_dict={**shape, **columns, **settings})
        init_seed(0, True)
        dataset = create_dataset(config)
        dataset._change_feat_format()  # sessions to prefixes, as build() begins; build() would then hold some out
        model = get_model("SASRec")(config, dataset)
        trainer = get_trainer(config["MODEL_TYPE"], "SASRec")(config, model)
        trainer._train_epoch(Told(TrainDataLoader(config, dataset, None, shuffle=True)), 0)


OURS: dict[str, Callable[[Path, Clock], None]] = {
    "hiersrec sasrec": lambda data, clock: hiersrec(data, clock, "sasrec", f"inputs.item_width={WIDTH}"),
    "hiersrec sasrec, all positions": lambda data, clock: hiersrec(
        data, clock, "sasrec", f"inputs.item_width={WIDTH}", "training.positions=all"
    ),
    "hiersrec best": best,
    "hiersrec hiersrec": lambda data, clock: hiersrec(
        data, clock, "hiersrec", f"inputs.item_width={WIDTH - 64}", "inputs.category_width=64"
    ),
}
LIBRARIES: dict[str, Callable[[Path, Clock], None]] = {
    "RecTools SASRec": lambda data, clock: rectools(data, clock, "32-true"),
    "RecTools SASRec, bf16": lambda data, clock: rectools(data, clock, "bf16-mixed"),
    "RecBole SASRec": lambda data, clock: recbole(data, clock, False),
    "RecBole SASRec, bf16": lambda data, clock: recbole(data, clock, True),
}
SYSTEMS = OURS | LIBRARIES


def _events(data: Path) -> tuple[Any, Any, Any]:
    """Item, session and place of every event of the training sessions, each (E,) int64."""
    items, offsets = (np.load(data / "train" / f"{name}.npy") for name in ("items", "offsets"))
    lengths = np.diff(offsets)
    sessions = np.repeat(np.arange(len(lengths)), lengths)
    return items.astype(np.int64), sessions, np.arange(len(items)) - np.repeat(offsets[:-1], lengths)


def _batch(data: Path) -> int:
    """Prefixes of as many sessions as a batch has, on average."""
    return round(SESSIONS * float(np.mean(np.diff(np.load(data / "train" / "offsets.npy")) - 1)))


def _has_bf16() -> bool:
    """Whether `training.precision = "auto"` takes bf16 on this processor."""
    import torch

    from hiersrec.training import precision

    return precision.choose("auto", torch.device("cpu")) == torch.bfloat16


def measure(system: str, data: Path, clock: Clock) -> None:
    """Run one system and print what the clock found as the last line."""
    with contextlib.suppress(Enough):
        SYSTEMS[system](data.resolve(), clock)
    packages = versions("torch", "numpy", "hiersrec", "rectools", "pytorch-lightning", "recbole")
    print(json.dumps({**clock.found(), "versions": packages}))


def main() -> None:
    """Measure here, or start the processes that do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/diginetica"), help="a dataset folder")
    parser.add_argument("--libraries", type=Path, help="the Python of the environment with RecTools and RecBole")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200, help="most steps of a measurement")
    parser.add_argument("--seconds", type=float, default=40, help="most seconds of a measurement, warm-up aside")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS), metavar="NAME")
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--one", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        measure(wanted.one, wanted.data, Clock(WARM_UP, wanted.steps, wanted.seconds))
        return
    if wanted.libraries and not wanted.libraries.is_file():
        sys.exit(f"There is no Python at {wanted.libraries}, named by --libraries. Create that environment first.")
    has_bf16 = _has_bf16()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted.systems if name in OURS or wanted.libraries}
    for _ in range(wanted.rounds):
        for name, measured in found.items():
            if name.endswith("bf16") and not has_bf16:
                measured.append({"failed": "left out: this processor has no bf16"})
                continue
            if any("failed" in one for one in measured):  # it would again
                continue
            python = sys.executable if name in OURS else wanted.libraries
            limits = ["--steps", str(wanted.steps), "--seconds", str(wanted.seconds), "--data", wanted.data]
            measured.append(ask([python, __file__, "--one", name, *limits], wanted.threads))
    speeds = {name: [one["examples_per_s"] for one in all_ if "failed" not in one] for name, all_ in found.items()}
    medians = {name: statistics.median(ones) for name, ones in speeds.items() if ones}
    rows = []
    for name, measured in found.items():
        failed = next((one["failed"] for one in measured if "failed" in one), None)
        times = [f"{medians[name] / medians[one]:.1f}" if {name, one} <= medians.keys() else "" for one in LIBRARIES]
        speed = failed or f"{medians[name]:,.0f} ({', '.join(f'{one:,.0f}' for one in speeds[name])})"
        rows.append([name, speed, *times])
    show(["system", "examples/s: median (rounds)", *(f"times {one}" for one in LIBRARIES)], rows)
    for name, measured in found.items():
        if name in medians:
            packages = next(one["versions"] for one in measured if "versions" in one)
            print(f"{name}: {', '.join(f'{one} {number}' for one, number in packages.items())}")
    print(machine(wanted.threads))
    write_json(wanted.json, {"machine": machine(wanted.threads), "medians": medians, "rounds": found})


if __name__ == "__main__":
    main()
