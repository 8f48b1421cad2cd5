"""What would a neighbour method add to a trained model, if their scores were summed?

    score(i) = ours(i) + weight * log(1 + SHARP * theirs(i) / sum of theirs)

The weight is chosen by MRR@20 on every fifth validation session, and the test split is evaluated once, with it. No part
of the library: two models are served here instead of one, and the reasons would be those of neither.

    python benchmarks/late_fusion.py runs/best runs/vstan --json fusion.json
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from weighing import weighed

from hiersrec.build import open_run
from hiersrec.retrieval import scoring
from hiersrec.store.dataset import Dataset
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Scorer, Scores

WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8)
SHARP = 20.0
SHOWN = ("mrr@20", "hits@20", "recall@20")


@dataclass(frozen=True)
class Fused:
    """Two scorers as one; the categories are those of the first."""

    ours: Scorer
    theirs: Scorer
    weight: float

    @property
    def max_length(self) -> int:
        """The longer of the two."""
        return max(self.ours.max_length, self.theirs.max_length)

    def score(self, batch: Batch) -> Scores:
        """The sum above; each is given the newest items that it takes."""
        found = self.ours.score(_newest(batch, self.ours.max_length))
        if self.weight:
            near = self.theirs.score(_newest(batch, self.theirs.max_length)).items[:, 1:]
            share = near / np.maximum(near.sum(1, keepdims=True), 1e-12)
            found.items[:, 1:] += self.weight * np.log1p(SHARP * share)
        return found


def _newest(batch: Batch, most: int) -> Batch:
    return scoring.newest(batch, np.arange(len(batch)), most)


def main() -> None:
    """Choose, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=Path, help="a run folder of our own model, not refitted")
    parser.add_argument("theirs", type=Path, help="a run folder of a neighbour method, on the same dataset")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    ours, theirs = open_run(asked.ours), open_run(asked.theirs)
    if ours.document["dataset"]["fingerprint"] != theirs.document["dataset"]["fingerprint"]:
        parser.error("the two runs were trained on different items")
    dataset = Dataset.open(Path(ours.document["dataset"]["path"]))
    valid = dataset.sessions("valid")
    some = Sessions.from_lists([valid[at].tolist() for at in range(0, len(valid), 5)])

    def fused(weight: float) -> Fused:
        return Fused(ours.scorer, theirs.scorer, weight)

    chosen = weighed(WEIGHTS, fused, ours.catalog, some, SHOWN, "validation")
    weight = max(WEIGHTS, key=lambda one: chosen[one]["mrr@20"])
    found = weighed([weight], fused, ours.catalog, dataset.sessions("test"), SHOWN, "test")[weight]
    if asked.json is not None:
        document = {"sharp": SHARP, "validation": chosen, "weight": weight, "test": found}
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
