"""One session through the encoder: the exported graph in ONNX Runtime against eager PyTorch, at real lengths.

    .venv/bin/python benchmarks/encoder_latency.py RUN --data DIR [--threads 1] [--json FILE]

RUN is a run folder; it is exported here, with and without bytes (--int8). Sessions are validation prefixes of DIR, one
at a time, with the same threads for all. Both sides start at the items and end at query and category scores: eager
looks vectors up in its embedding tables, the graph gets rows of a table. Systems take turns, session by session.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import machine, show, versions, write_json

from hiersrec.build import open_run
from hiersrec.export_run import export
from hiersrec.model.exported import Exported
from hiersrec.serving.encoder import OnnxEncoder
from hiersrec.store.batches import batch_of
from hiersrec.store.dataset import Dataset
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Batch

SESSIONS = 2_000


def main() -> None:
    """Measure the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    model = open_run(wanted.run).scorer.model.eval()
    graph = Exported(model)
    prefixes = Prefixes.every(Dataset.open(wanted.data).sessions("valid"))
    every = np.flatnonzero(prefixes.lengths > 0)
    rows = every[np.linspace(0, len(every) - 1, wanted.sessions, dtype=np.int64)]
    batches = [batch_of(prefixes, rows[at : at + 1], model.max_length) for at in range(len(rows))]
    with tempfile.TemporaryDirectory() as aside:
        encoders = {}
        for name, narrow in (("ONNX, float32", False), ("ONNX, int8", True)):
            bundle = Path(aside) / str(narrow)
            document = export(wanted.run, bundle, print, data=wanted.data, int8_encoder=narrow)
            inputs = np.asarray(np.load(bundle / "inputs.npy", mmap_mode="r"))
            encoders[name] = OnnxEncoder(
                bundle / document["encoder"], inputs, model.max_length, {}, threads=wanted.threads
            )

        def eager(batch: Batch) -> None:
            with torch.inference_mode():
                items, lengths = (torch.from_numpy(one.astype("int64")) for one in (batch.items, batch.lengths))
                graph(model.inputs(items), lengths)

        systems = {"PyTorch, eager": eager, **{name: one.encode for name, one in encoders.items()}}
        seconds: dict[str, list[float]] = {name: [] for name in systems}
        for turn in range(2):  # the first warms up
            for batch in batches:
                for name, run in systems.items():
                    start = time.perf_counter()
                    run(batch)
                    if turn:
                        seconds[name].append(time.perf_counter() - start)
    found: dict[str, Any] = {
        "machine": machine(wanted.threads),
        "versions": versions("torch", "onnxruntime", "hiersrec"),
        "mean_length": float(np.mean([one.lengths[0] for one in batches])),
        "ms": {
            name: dict(zip(("p50", "p99"), (1e3 * np.percentile(one, (50, 99))).tolist(), strict=True))
            for name, one in seconds.items()
        },
    }
    print(found["machine"], found["versions"], f"mean length {found['mean_length']:.1f}")
    first = found["ms"]["PyTorch, eager"]["p50"]
    rows_ = [
        [name, f"{one['p50']:.3f}", f"{one['p99']:.3f}", f"{first / one['p50']:.2f}"]
        for name, one in found["ms"].items()
    ]
    show(["one session", "p50 ms", "p99 ms", "times eager"], rows_)
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
