"""Categories by the heads, by the tree head and by the items themselves; and candidates by mass against the best K.

    .venv/bin/python benchmarks/tree_head.py RUN [--prefixes 6000] [--json FILE]

RUN is a finished run whose recipe has tasks.category.tree. Prefixes are drawn evenly from the test sessions. Of each
level: MRR@20 and top-1 among the known categories, over the prefixes whose target has one; the expected calibration
error over all prefixes (docs/do/evaluate.md); and how often the likeliest child is likelier than its own parent. Of
candidates: the mean share of the catalogue that is scored, and the HITS@20 that is kept of full ranking's.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, show, versions, write_json

from hiersrec.build import open_run
from hiersrec.evaluation.calibration import Counter, calibration
from hiersrec.retrieval.candidates import Candidates, candidate_items
from hiersrec.store.batches import batch_of
from hiersrec.store.dataset import Dataset
from hiersrec.store.paths import PATH, level_scores, node_probs, path_probs
from hiersrec.store.sessions import Prefixes

MASSES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
TOPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 60)
LIST = 20
TINY = 1e-30


class Level:
    """What one source says of one level."""

    def __init__(self) -> None:
        self.reciprocal, self.first, self.labelled, self.above, self.all = 0.0, 0, 0, 0, 0
        self.counter = Counter()

    def add(self, probs: Any, known: int, label: Any, parents: Any, coarser: Any) -> None:
        """Probabilities (B, nodes + 1), a head's of known nodes only; label (B,): the node that came."""
        has = (label >= 1) & (label <= known)
        rows = np.flatnonzero(has)
        of_known = probs[:, : known + 1]
        ranks = 1 + (of_known[rows, 1:] > of_known[rows, label[rows]][:, None]).sum(axis=1)
        self.reciprocal += float(np.where(ranks <= LIST, 1 / ranks, 0).sum())
        self.first += int((ranks == 1).sum())
        self.labelled += len(rows)
        self.counter.add(np.log(np.maximum(probs, TINY)).astype(np.float32), label)
        if coarser is not None:
            best = probs.argmax(axis=1)
            each = np.arange(len(probs))
            parent = parents[best]
            inside = parent < coarser.shape[1]
            self.above += int((probs[each, best] > coarser[each, np.where(inside, parent, 0)] + 1e-6)[inside].sum())
        self.all += len(probs)

    def row(self) -> dict[str, float]:
        """Its figures."""
        return {
            "mrr": self.reciprocal / max(1, self.labelled),
            "top1": self.first / max(1, self.labelled),
            "ece": calibration(self.counter.counts)["ece"],
            "child_above_parent": self.above / max(1, self.all),
            "labelled": self.labelled,
        }


def main() -> None:
    """Read the run, score the prefixes once, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--prefixes", type=int, default=6000, help="at most, drawn evenly from the test split")
    parser.add_argument("--json", type=Path, help="write all figures there")
    asked = parser.parse_args()
    run = open_run(asked.run)
    catalog, dataset = run.catalog, Dataset.open(Path(run.document["dataset"]["path"]))
    prefixes = Prefixes.of(dataset.sessions("test"))
    usable = np.flatnonzero((prefixes.targets(np.arange(len(prefixes))) > 0) & (prefixes.lengths > 0))
    rows = usable[:: -(-len(usable) // asked.prefixes)]
    depth, paths = len(catalog.levels), catalog.item_nodes[:, -1]
    order = np.argsort(paths[1:], kind="stable") + 1
    starts = np.flatnonzero(np.diff(paths[order], prepend=-1))
    sources = {source: [Level() for _ in range(depth)] for source in ("heads", "tree", "items")}
    sizes = [Candidates(policy="category", top=top) for top in TOPS]
    sizes += [Candidates(policy="category", mass=mass) for mass in MASSES]
    kinds = [("heads, top K", "top"), ("tree, top K", "top"), ("tree, mass", "mass")]
    scored = {kind: {size: [0.0, 0] for size in sizes if getattr(size, name)} for kind, name in kinds}
    full = 0
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        batch = batch_of(prefixes, part, run.scorer.max_length)
        scores = run.scorer.score(batch)
        target = prefixes.targets(part)
        item_probs = path_probs(scores.items)
        by_path = np.zeros((len(part), catalog.levels[-1].num_nodes + 1))
        by_path[:, paths[order][starts]] = np.add.reduceat(item_probs[:, order], starts, axis=1)
        heads = {name: value for name, value in scores.tasks.items() if name != PATH}
        tree = node_probs(catalog.levels, path_probs(scores.tasks[PATH]))
        said = {
            "heads": [path_probs(heads[f"category_{level}"]) for level in range(1, depth + 1)],
            "tree": tree,
            "items": node_probs(catalog.levels, by_path),
        }
        for source, levels in said.items():
            for number, probs in enumerate(levels):
                level = catalog.levels[number]
                coarser = levels[number - 1] if number else None
                sources[source][number].add(
                    probs, level.num_known, catalog.item_nodes[target, number], level.parents, coarser
                )
        before = scores.items > scores.items[np.arange(len(part)), target][:, None]
        full += int((before.sum(axis=1) < LIST).sum())
        of_tree = level_scores(catalog.levels, scores.tasks[PATH]) | {PATH: scores.tasks[PATH]}
        for kind, by_size in scored.items():
            for size, counts in by_size.items():
                inside = candidate_items(size, catalog, heads if kind.startswith("heads") else of_tree, batch)
                kept = inside[np.arange(len(part)), target] & ((before & inside).sum(axis=1) < LIST)
                counts[0] += float(inside.sum()) / catalog.num_items
                counts[1] += int(kept.sum())
    figures = {source: [level.row() for level in levels] for source, levels in sources.items()}
    print(f"{asked.run.name}: {len(rows):,} test prefixes of {dataset.name}")
    table = []
    for source, levels in figures.items():
        for number, values in enumerate(levels, start=1):
            shown = [f"{values[name]:.4f}" for name in ("mrr", "top1", "ece")]
            table.append(
                [source, f"{number}", f"{values['labelled']:,}", *shown, f"{values['child_above_parent']:.1%}"]
            )
    show(["source", "level", "labelled", "MRR@20", "top-1", "ECE", "child above parent"], table)
    curves = {
        kind: [
            {"size": size.top or size.mass, "scored": counts[0] / len(rows), "kept": counts[1] / max(1, full)}
            for size, counts in by_size.items()
        ]
        for kind, by_size in scored.items()
    }
    print()
    show(
        ["candidates", "K or mass", "scored", "HITS@20 kept"],
        [
            [kind, f"{point['size']:g}", f"{point['scored']:.1%}", f"{point['kept']:.2%}"]
            for kind, points in curves.items()
            for point in points
        ],
    )
    about = {"machine": machine(1), "versions": versions("torch", "numpy", "hiersrec")}
    print(about["machine"], about["versions"])
    write_json(asked.json, {**about, "prefixes": len(rows), "levels": figures, "candidates": curves})


if __name__ == "__main__":
    main()
