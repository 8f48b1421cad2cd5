"""What do trends (model/score_terms/trend.py) add to a trained model, or to a baseline?

    score(i) = score_item(i) + weight * trend(i)             or, with --times, score_item(i) * exp(weight * trend(i))

0 is the model as it is. --times is for baselines whose scores are counts, or sums of similarities. Measured on the
validation sessions, which should be the newest (`prepare --validation latest`); with --split test on those, once, with
the weight that was chosen.

    python benchmarks/trend_prior.py runs/best-without --json trend.json
    python benchmarks/trend_prior.py runs/cooccurrence --times --weight 0.6 --split test
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiersrec.build import open_run
from hiersrec.config import ModelRecipe
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.score_terms.trend import trend
from hiersrec.model.tasks.item import config_of
from hiersrec.store.dataset import Dataset
from hiersrec.types import Batch, Float32, Scorer, Scores

WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SHOWN = ("mrr@20", "hits@20", "recall@20", "any_hit@20")


@dataclass(frozen=True)
class WithTrend:
    """`scorer` with weighted trends (N,)."""

    scorer: Scorer
    weighted: Float32
    times: bool

    @property
    def max_length(self) -> int:
        return self.scorer.max_length

    def score(self, batch: Batch) -> Scores:
        """One of the two formulas above."""
        found = self.scorer.score(batch)
        if self.times:
            found.items[:, 1:] *= np.exp(self.weighted)
        else:
            found.items[:, 1:] += self.weighted
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder without trends, not refitted")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--weight", type=float, action="append", help="may be repeated; six of them if left out")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    run = open_run(asked.run)
    if isinstance(run.recipe, ModelRecipe) and config_of(run.recipe).score_terms["trend"].trend:
        parser.error(f"{asked.run} has trends already; train it with --set tasks.item.trend=0")
    dataset = Dataset.open(Path(run.document["dataset"]["path"]))
    of_items = trend(run.catalog.num_items, dataset.training().train)
    sessions = dataset.sessions(asked.split)
    measured: dict[float, dict[str, float]] = {}
    for weight in asked.weight or WEIGHTS:
        metrics = evaluate(WithTrend(run.scorer, weight * of_items, asked.times), run.catalog, sessions).metrics
        measured[weight] = {name: metrics[name] for name in SHOWN}
        line = ", ".join(f"{name} {value:.4f}" for name, value in measured[weight].items())
        print(f"{asked.split}, weight {weight}: {line}", flush=True)
    if asked.json is not None:
        asked.json.write_text(json.dumps({asked.split: measured}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
