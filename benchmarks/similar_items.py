"""How often is the next item of a session among the k items most similar to the last one?

    python benchmarks/similar_items.py runs/best runs/cooccurrence [--k 20] [--split valid] [--json FILE]

For each run: "similar", the cosine of the item vectors (`similar_items`; models with [[tasks]] have them), and
"single", what the run recommends to a session of the last item only. Counted are the prefixes of the split whose last
item and target are both known and differ, since no list of similar items holds the item itself. "in the category" is
the mean share of a list that is of the item's finest category, and "popular" its mean training events.
"""

import argparse
from pathlib import Path

import numpy as np
from measuring import machine, show, versions, write_json

from hiersrec.build import open_run
from hiersrec.retrieval.ranking import FullRanker, ListRequest, finest_nodes
from hiersrec.retrieval.similar import most_similar
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import Dataset
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Int32

AT_ONCE = 256
"""Items whose lists are made together."""


def lists_of(ranker: FullRanker, items: Int32, k: int, how: str) -> Int32:
    """(K, k) int32: the list of each item (K,), 0 where it ends."""
    request = ListRequest(k=k, exclude_seen=True)
    lists = np.zeros((len(items), k), np.int32)
    for start in range(0, len(items), AT_ONCE):
        part = items[start : start + AT_ONCE]
        if how == "similar":
            found = [listed for listed, _ in most_similar(ranker, ranker.catalog, part, request)]
        else:
            found = ranker.rank(whole_sessions([[item] for item in part.tolist()], 1), request).items
        for row, listed in enumerate(found, start):
            lists[row, : len(listed)] = listed
    return lists


def main() -> None:
    """Make a list for each last item of the split, and look the targets up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--json", type=Path, help="write all figures there")
    asked = parser.parse_args()
    rows = []
    for folder in asked.runs:
        run = open_run(folder)
        catalog, dataset = run.catalog, Dataset.open(Path(run.document["dataset"]["path"]))
        prefixes = Prefixes.of(dataset.sessions(asked.split))
        items = np.asarray(prefixes.sessions.items)
        last, target = items[prefixes.positions - 1], items[prefixes.positions]
        counted = (last > 0) & (target > 0) & (last != target)
        distinct, place = np.unique(last[counted], return_inverse=True)
        ranker, nodes = FullRanker(run.scorer, catalog), finest_nodes(catalog)
        for how in ("similar", "single"):
            if how == "similar" and not ranker.compares:
                continue
            lists = lists_of(ranker, distinct, asked.k, how)
            found = lists[place] == target[counted, None]  # (P, k)
            ranks = np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)
            inside = (nodes[lists] == nodes[distinct][:, None]).mean(axis=1)[place]
            popular = catalog.train_count[lists].mean(axis=1)[place]
            rows.append(
                {
                    "run": folder.name,
                    "lists": how,
                    "prefixes": int(counted.sum()),
                    f"hits@{asked.k}": float((ranks > 0).mean()),
                    f"mrr@{asked.k}": float(np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0).mean()),
                    "in the category": float(inside.mean()),
                    "popular": float(popular.mean()),
                }
            )
    shown = [[f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    show(list(rows[0]), shown)
    about = {"machine": machine(1), "versions": versions("torch", "numpy", "hiersrec")}
    print(about["machine"], about["versions"])
    write_json(asked.json, {**about, "rows": rows})


if __name__ == "__main__":
    main()
