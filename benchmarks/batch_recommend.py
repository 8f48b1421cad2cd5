"""How many sessions a second does one core recommend for: in blocks, one at a time, and with RecTools and RecBole?

    .venv/bin/hiersrec export RUN --out BUNDLE
    .venv/bin/python benchmarks/batch_recommend.py BUNDLE --data DIR [--libraries PYTHON] [--json FILE]

BUNDLE (or a run folder) is of the dataset folder DIR, whose training sessions are recommended for, 20 items each. One
thread; each system runs in a process of its own, in turns, and its processor time counts, from the open model on:

- one at a time: encoder and index of a single session, which is what the HTTP service does for a request, without its
  HTTP and JSON;
- in memory: `Recommender.recommend`, with its answer objects;
- in blocks: `hiersrec recommend --sessions`, a block from its file to its part of the output;
- RecTools' SASRec: `recommend` of its public interface, for a model as wide as ours (256, 2 blocks) after one step,
  since the weights change no time (`--libraries`: see training_libraries.py);
- RecBole's SASRec of the same shape: `full_sort_predict` of batches of 256 sessions, and the best of all items. Nothing
  is written, and its ids are numbers already.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ask, forget_peak, machine, show, status, versions, write_json

K, WIDTH, BLOCKS, HEADS, LENGTH = 20, 256, 2, 8, 50
TOGETHER = 256
"""Sessions in a batch of the libraries."""


def sessions_of(data: Path, count: int) -> list[list[int]]:
    """Items of `count` training sessions, spread over all, as internal numbers."""
    items, offsets = (np.load(data / "train" / f"{name}.npy", mmap_mode="r") for name in ("items", "offsets"))
    rows = np.linspace(0, len(offsets) - 2, count, dtype=np.int64)
    return [items[offsets[row] : offsets[row + 1]].tolist() for row in rows]


def one_at_a_time(model: Path, data: Path, count: int) -> Callable[[], int]:
    """Encoder and index, a session a call."""
    from hiersrec.retrieval.ranking import ListRequest
    from hiersrec.serving.recommender import Recommender
    from hiersrec.store.batches import whole_sessions

    recommender = Recommender.load(model)
    request = ListRequest(k=K, candidates=recommender.candidates)
    batches = [whole_sessions([session], recommender.max_length) for session in sessions_of(data, count // 10)]

    def work() -> int:
        for batch in batches:
            recommender.ranker.rank(batch, request)
        return len(batches)

    return work


def in_memory(model: Path, data: Path, count: int) -> Callable[[], int]:
    """`Recommender.recommend`."""
    from hiersrec.serving.recommender import Recommender

    recommender = Recommender.load(model)
    lists = [recommender.catalog.to_external(np.array(session)) for session in sessions_of(data, count)]
    return lambda: len(recommender.recommend(lists, K))


def in_blocks(model: Path, data: Path, count: int) -> Callable[[], int]:
    """Blocks, from their files to parts of the output."""
    import pyarrow as pa

    from hiersrec.batch.block_scorer import BlockScorer
    from hiersrec.batch.blocks import SessionFacts, write_blocks
    from hiersrec.batch.request import BatchRequest
    from hiersrec.batch.work_folder import WorkFolder
    from hiersrec.serving.recommender import Recommender

    recommender = Recommender.load(model)
    lists = [recommender.catalog.to_external(np.array(session)) for session in sessions_of(data, count)]
    folder = Path(tempfile.mkdtemp())
    asked = {"format": "parquet", "model": "", "request": BatchRequest(k=K).document()}
    work = WorkFolder(folder / "out.parts", asked, model)
    work.begin()
    facts = SessionFacts(*write_blocks(work.sessions, [pa.table({"session_id": range(count), "items": lists})]), True)
    scorer = BlockScorer.of(work, facts, recommender, BatchRequest(k=K).of(recommender))
    return lambda: sum(scorer.score(number)["sessions"] for number in range(facts.blocks))


def rectools(model: Path, data: Path, count: int) -> Callable[[], int]:
    """RecTools' SASRec; each session is a user."""
    del model
    import pandas as pd
    from pytorch_lightning import Trainer
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    def trainer() -> Trainer:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        return Trainer(max_steps=1, accelerator="cpu", **quiet)

    items, offsets = (np.load(data / "train" / f"{name}.npy") for name in ("items", "offsets"))
    lengths = np.diff(offsets)
    users = np.repeat(np.arange(len(lengths)), lengths)
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(items)), unit="s")
    dataset = Dataset.construct(pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0, "datetime": times}))
    shape = {"n_factors": WIDTH, "n_blocks": BLOCKS, "n_heads": HEADS, "session_max_len": LENGTH}
    sasrec = SASRecModel(**shape, get_trainer_func=trainer, recommend_batch_size=TOGETHER)
    sasrec.fit(dataset)
    chosen = np.linspace(0, len(lengths) - 1, count, dtype=np.int64)

    def work() -> int:
        return sasrec.recommend(users=chosen, dataset=dataset, k=K, filter_viewed=False)["user_id"].nunique()

    return work


def recbole(model: Path, data: Path, count: int) -> Callable[[], int]:
    """RecBole's SASRec, untrained, by the methods with which it ranks all items."""
    del model
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.data.interaction import Interaction
    from recbole.utils import get_model

    sessions = [session[-LENGTH:] for session in sessions_of(data, count)]
    num_items = int(np.load(data / "train" / "items.npy", mmap_mode="r").max())
    sys.argv = sys.argv[:1]  # Config reads them
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)  # it writes logs where it stands
    (folder / "shop").mkdir()
    head = "session_id:token\titem_id:token\ttimestamp:float\n"
    rows = "".join(f"{item // 2}\t{item}\t{item}\n" for item in range(1, num_items + 1))
    (folder / "shop" / "shop.inter").write_text(head + rows)
    shape = {"hidden_size": WIDTH, "inner_size": WIDTH, "n_layers": BLOCKS, "n_heads": HEADS}
    columns = {"USER_ID_FIELD": "session_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}
    settings = {
        **{"MAX_ITEM_LIST_LENGTH": LENGTH, "loss_type": "CE", "train_neg_sample_args": None, "use_gpu": False},
        **{"data_path": str(folder), "load_col": {"inter": list(columns.values())}},
    }
    config = Config(model="SASRec", dataset="shop", config_dict={**shape, **columns, **settings})
    dataset = create_dataset(config)
    assert dataset.item_num == num_items + 1
    sasrec = get_model("SASRec")(config, dataset).eval()

    @torch.no_grad()
    def work() -> int:
        for start in range(0, count, TOGETHER):
            part = sessions[start : start + TOGETHER]
            items = np.zeros((len(part), LENGTH), np.int64)
            for row, session in enumerate(part):
                items[row, : len(session)] = session
            lengths = torch.tensor([len(session) for session in part])
            asked = Interaction({sasrec.ITEM_SEQ: torch.from_numpy(items), sasrec.ITEM_SEQ_LEN: lengths})
            sasrec.full_sort_predict(asked)[:, 1:].topk(K)
        return count

    return work


FIRST = "hiersrec, one at a time"
OURS = {FIRST: one_at_a_time, "hiersrec, in memory": in_memory, "hiersrec, in blocks": in_blocks}
SYSTEMS = {**OURS, "RecTools SASRec": rectools, "RecBole SASRec": recbole}


def measure(system: str, model: Path, data: Path, count: int) -> None:
    """Run one system twice, where the first warms up, and print what was found."""
    work = SYSTEMS[system](model.resolve(), data.resolve(), count)
    work()
    forget_peak()
    start = time.process_time()
    done = work()
    found: dict[str, Any] = {"sessions_per_s": done / (time.process_time() - start), "peak_mb": status("VmHWM") / 1e6}
    found["versions"] = versions("hiersrec", "onnxruntime", "numpy", "torch", "rectools", "recbole")
    print(json.dumps(found))


def main() -> None:
    """Measure here, or start the processes that do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the dataset folder of the model")
    parser.add_argument("--libraries", type=Path, help="the Python of an environment with RecTools and RecBole")
    parser.add_argument("--sessions", type=int, default=3 * 4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all measurements there")
    parser.add_argument("--one", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        measure(wanted.one, wanted.model, wanted.data, wanted.sessions)
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (SYSTEMS if wanted.libraries else OURS)}
    common = [wanted.model, "--data", wanted.data, "--sessions", str(wanted.sessions)]
    for _ in range(wanted.rounds):
        for name, measured in found.items():
            python = sys.executable if name in OURS else wanted.libraries
            measured.append(ask([python, __file__, "--one", name, *common], 1))
    medians = {
        name: statistics.median(one["sessions_per_s"] for one in measured)
        for name, measured in found.items()
        if not any("failed" in one for one in measured)
    }
    rows = []
    for name, measured in found.items():
        if name not in medians:
            rows.append([name, next(one["failed"] for one in measured if "failed" in one), "", ""])
            continue
        peak = max(one["peak_mb"] for one in measured)
        rows.append([name, f"{medians[name]:,.0f}", f"{medians[name] / medians[FIRST]:.1f}", f"{peak:,.0f}"])
    show(["system", "sessions/s of a core", "times one at a time", "peak MB"], rows)
    print(machine(1), next(one["versions"] for one in found[FIRST] if "versions" in one))
    write_json(wanted.json, {"machine": machine(1), "medians": medians, "rounds": found})


if __name__ == "__main__":
    main()
