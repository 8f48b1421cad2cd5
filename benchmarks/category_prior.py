"""Would the predicted categories help as a prior, added to the item scores of a trained model?

    score(i) = score_item(i) + weight * log P(c(i))            c: the finest category of an item

0 is the model as it is; 1 takes the category's probability as if the item scores knew nothing of it. Measured on the
validation sessions alone: it looks at no test split. An item whose category is unknown gets the mean of the known ones.

    python benchmarks/category_prior.py runs/best --json prior.json
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from weighing import weighed

from hiersrec.build import open_run
from hiersrec.store.dataset import Dataset
from hiersrec.types import CATEGORY, Batch, Int32, Scorer, Scores

WEIGHTS = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.5, 1.0)
SHOWN = ("mrr@20", "hits@20")


@dataclass(frozen=True)
class WithPrior:
    """`scorer` with its own finest categories as a prior. nodes: (N,), each item's category from 1, 0 if unknown."""

    scorer: Scorer
    nodes: Int32
    weight: float

    @property
    def max_length(self) -> int:
        """That of the scorer."""
        return self.scorer.max_length

    def score(self, batch: Batch) -> Scores:
        """The sum above."""
        found = self.scorer.score(batch)
        if self.weight:
            logits = list(found.categories.values())[-1][:, 1:]  # (B, C)
            logs = torch.from_numpy(logits).log_softmax(1).numpy()
            of_node = np.concatenate([logs.mean(1, keepdims=True), logs], 1)  # (B, C + 1)
            found.items[:, 1:] += self.weight * of_node[:, self.nodes]
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder with category tasks, not refitted")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    run = open_run(asked.run)
    nodes = run.catalog.labels[f"{CATEGORY}{len(run.catalog.levels)}"].of_item
    assert nodes is not None, "a category is the item's"
    valid = Dataset.open(Path(run.document["dataset"]["path"])).sessions("valid")
    of_items = nodes[1:]
    measured = weighed(
        WEIGHTS, lambda weight: WithPrior(run.scorer, of_items, weight), run.catalog, valid, SHOWN, "validation"
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps({"validation": measured}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
